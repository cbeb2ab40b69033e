import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import {
  FastScene,
  never,
  order,
  outputOf,
  pool,
  quickClock,
  startOf,
  waitUntil,
} from './fast-scene.suite.ts';
import type { PoolBounds } from './pool-plan.ts';
import type { VmService } from './vm-service.ts';

let scene: FastScene;
beforeEach(async () => {
  scene = await FastScene.make();
});
afterEach(() => scene.clean());

/** A service whose pool is full. */
async function filled(
  bounds: PoolBounds,
  deps = {},
  fake: Partial<FakeHypervisorDeps> = {},
): Promise<VmService> {
  const vms = await scene.open(bounds, deps, fake);
  await vms.warm(order);
  await startOf(vms);
  await full(vms, bounds.target);
  return vms;
}

const full = (vms: VmService, idle: number) =>
  waitUntil(() => vms.pooled().idle === idle && vms.pooled().preparing === 0);

describe('a pool', () => {
  it('hands out VMs that wait, and refills at once', async () => {
    const vms = await filled(pool());
    expect(await startOf(vms)).toEqual({ start: 'pool', startReason: undefined });
    const two = await Promise.all([startOf(vms), startOf(vms)]);
    expect(two.map(({ start }) => start)).toContain('pool');
    await waitUntil(() => vms.pooled().idle >= 2);
    const vm = await vms.start(order, never);
    expect(vm.state).toBe('ready');
    expect(await outputOf(vm, 'echo', 'hello')).toBe('hello\n');
    expect(vms.find(vm.id)).toBe(vm);
    await vms.kill(vm.id);
  });

  it('has its minimum ready before the first job, of the base image', async () => {
    const vms = await scene.open(pool({ min: 1 }));
    await full(vms, 1);
    expect(await startOf(vms)).toMatchObject({ start: 'pool' });
    await vms.close();
    // The next process finds the template, and needs no boot for it.
    const next = await scene.open(pool({ min: 1 }));
    await full(next, 1);
    expect(scene.starts).toBe(1);
  });

  it('says that it was empty when jobs come faster than it refills, and keeps more ready from then on', async () => {
    const vms = await filled(pool());
    const many = await Promise.all(Array.from({ length: 4 }, () => startOf(vms)));
    expect(many.filter(({ start }) => start === 'pool')).toHaveLength(2);
    expect(many.filter(({ startReason }) => startReason === 'the pool was empty')).toHaveLength(2);
    await full(vms, 4);
  });

  it('never hands out a VM that has died, and replaces it', async () => {
    const vms = await filled(pool());
    const [dead] = scene.host.host.live;
    dead?.crash('poisoned');
    await full(vms, 2);
    const vm = await vms.start(order, never);
    expect(vm.facts.start).toBe('pool');
    expect(vm.id).not.toBe(dead?.id);
    await vms.kill(vm.id);
  });

  it('never hands out a VM that does not wake up, but kills and replaces it', async () => {
    const vms = await filled(pool());
    const frozen = scene.host.host.live.map((vm) => {
      vm.freeze();
      return vm.id;
    });
    const vm = await vms.start(order, never);
    expect(frozen).not.toContain(vm.id);
    expect(vm.facts).toMatchObject({ start: 'restore', startReason: 'the VMs of the pool did not wake up' });
    await vms.kill(vm.id);
    await waitUntil(() => scene.host.host.live.every(({ id }) => !frozen.includes(id)));
    await waitUntil(() => vms.pooled().idle >= 2);
    expect(await startOf(vms)).toMatchObject({ start: 'pool' });
  });

  it('never keeps a VM that its rehearsal has broken, but makes another one ready in its place', async () => {
    let clones = 0;
    const poisoned = new Set<string>();
    const bootOf: FakeHypervisorDeps['bootOf'] = ({ template, id }) => {
      const keepsAll = template?.act === 'start' && clones++ < 2;
      if (keepsAll) poisoned.add(id);
      return { outcome: 'agent', afterMs: 0, keepsAll };
    };
    const vms = await scene.open(pool({ min: 2 }), {}, { bootOf });
    await full(vms, 2);
    expect(poisoned.size).toBe(2);
    expect(scene.host.host.live.filter(({ id }) => poisoned.has(id))).toEqual([]);
    expect(await startOf(vms)).toMatchObject({ start: 'pool' });
  });

  it('leaves nothing of a rehearsal in the guest', async () => {
    const vms = await filled(pool());
    const vm = await vms.start(order, never);
    expect(vm.facts.start).toBe('pool');
    expect(await outputOf(vm, 'ls', '/run/blixard')).toBe('');
    await vms.kill(vm.id);
  });

  it('hands out none of those whose template somebody has touched', async () => {
    const vms = await filled(pool());
    const [key = ''] = await scene.templates();
    const memory = join(scene.host.dataDir, 'templates', key, 'memory');
    await writeFile(memory, await readFile(memory));
    const waiting = scene.host.host.live.map(({ id }) => id);
    const vm = await vms.start(order, never);
    expect(vm.facts).toMatchObject({ start: 'boot', startReason: 'no template: somebody changed its files' });
    await vms.kill(vm.id);
    await waitUntil(() => scene.host.host.live.every(({ id }) => !waiting.includes(id)));
  });

  it('hands out none of a template that somebody has touched once another has taken its place', async () => {
    let passedMs = 0;
    const clock = { ...quickClock, monotonicMs: () => quickClock.monotonicMs() + passedMs };
    const vms = await filled(pool({ coolDownMs: 1_000_000 }), { clock });
    const [key = ''] = await scene.templates();
    const memory = join(scene.host.dataDir, 'templates', key, 'memory');
    await writeFile(memory, await readFile(memory));
    const waiting = scene.host.host.live.map(({ id }) => id);
    expect(waiting).toHaveLength(2);
    await expect(vms.warm(order)).rejects.toThrow('somebody changed its files');
    passedMs = 60_000;
    await vms.warm(order);
    const vm = await vms.start(order, never);
    expect(waiting).not.toContain(vm.id);
    await vms.kill(vm.id);
    await waitUntil(() => scene.host.host.live.every(({ id }) => !waiting.includes(id)));
  });

  it('gives its room to jobs that need it, and takes it again when they are gone', async () => {
    const vms = await filled(pool({ target: 3 }), { vmsMax: 3 });
    expect(vms.count()).toBe(3);
    const other = { ...order, memoryMiB: 160 };
    const jobs = await Promise.all([vms.start(other, never), vms.start(other, never)]);
    expect(jobs.map((vm) => vm.facts.start)).toEqual(['boot', 'boot']);
    expect(vms.count()).toBeLessThanOrEqual(3);
    for (const vm of jobs) await vms.kill(vm.id);
    await waitUntil(() => vms.pooled().idle === 3);
    expect(vms.count()).toBe(3);
  });

  it('is never above its bounds, and no host above its limit of VMs, however jobs come', async () => {
    const vms = await filled(pool({ max: 3 }), { vmsMax: 5 });
    let most = 0;
    const watch = setInterval(() => {
      const { idle, preparing } = vms.pooled();
      most = Math.max(most, idle + preparing);
      expect(scene.host.host.live.length).toBeLessThanOrEqual(5);
    }, 1);
    const sizes = [128, 128, 160, 128, 192, 128, 128, 160, 128, 128];
    await Promise.all(sizes.map((memoryMiB) => startOf(vms, { memoryMiB })));
    clearInterval(watch);
    expect(most).toBeLessThanOrEqual(3);
  });

  it('shrinks to nothing when nobody asks for its image any more', async () => {
    const vms = await scene.open(pool({ coolDownMs: 4_000 }));
    await vms.warm(order);
    await startOf(vms);
    await waitUntil(() => vms.pooled().idle > 0);
    await waitUntil(() => vms.pooled().idle === 0 && vms.count() === 0);
    expect(scene.host.host.live).toEqual([]);
    expect(await startOf(vms)).toMatchObject({ start: 'restore', startReason: 'the pool was empty' });
  });

  it('rests after VMs that cannot be made ready, and jobs are started all the same', async () => {
    let broken = false;
    const bootOf: FakeHypervisorDeps['bootOf'] = ({ template }) =>
      broken && template?.act === 'start' ? 'refuse' : { outcome: 'agent', afterMs: 0 };
    const vms = await filled(pool(), {}, { bootOf });
    broken = true;
    const before = scene.starts;
    const starts = [await startOf(vms), await startOf(vms), await startOf(vms)];
    expect(starts.map(({ start }) => start)).toEqual(['pool', 'pool', 'boot']);
    expect(scene.starts - before).toBeLessThan(8);
  });

  it('ends with its service, whatever it is doing, and leaves nothing', async () => {
    const vms = await filled(pool({ target: 3 }));
    const vm = await vms.start(order, never);
    await vms.close();
    expect(vm.state).toBe('terminated');
    expect(vms.count()).toBe(0);
    expect(scene.host.host.live).toEqual([]);
    expect(await scene.host.folders()).toEqual([]);
  });
});
