import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import type { FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import {
  FastScene,
  never,
  noPool,
  order,
  outputOf,
  pool,
  quickClock,
  speed,
  startOf,
  waitUntil,
} from './fast-scene.suite.ts';
import type { VmService } from './vm-service.ts';

let scene: FastScene;
beforeEach(async () => {
  scene = await FastScene.make();
});
afterEach(() => scene.clean());

/** The template of the default order is there from now on. */
async function withTemplate(vms: VmService): Promise<void> {
  await vms.warm(order);
}

describe('templates', () => {
  it('are built behind the back of the first job; from then on VMs are restored, and say why not faster', async () => {
    const vms = await scene.open(noPool);
    expect(await startOf(vms)).toEqual({ start: 'boot', startReason: 'there is no template of it yet' });
    await waitUntil(async () => (await scene.templates()).length === 1);
    await waitUntil(async () => (await startOf(vms)).start === 'restore');
    expect(await startOf(vms)).toEqual({ start: 'restore', startReason: 'the pool is off' });
    expect(await scene.templates()).toHaveLength(1);
    expect(await startOf(vms, { memoryMiB: 160 })).toMatchObject({ start: 'boot' });
    await waitUntil(async () => (await scene.templates()).length === 2);
  });

  it('are built once however many ask at the same time', async () => {
    const vms = await scene.open(noPool);
    const starts = Array.from({ length: 3 }, () => startOf(vms));
    await Promise.all([...starts, withTemplate(vms), withTemplate(vms)]);
    // The probe of the host, three jobs, one template.
    expect(scene.starts).toBe(5);
  });

  it('are found again by the next process, which checks them first', async () => {
    const first = await scene.open(noPool);
    await withTemplate(first);
    await first.close();
    const second = await scene.open(noPool);
    expect(await startOf(second)).toMatchObject({ start: 'restore' });
    await second.close();
    const [key = ''] = await scene.templates();
    await writeFile(join(scene.host.dataDir, 'templates', key, 'state'), 'damaged');
    const third = await scene.open(noPool);
    expect(await startOf(third)).toMatchObject({
      start: 'boot',
      startReason: expect.stringMatching(/damaged/),
    });
    expect(await scene.templates()).toEqual([]);
  });

  it('are thrown away when somebody has touched them', async () => {
    const vms = await scene.open(noPool);
    await withTemplate(vms);
    const [key = ''] = await scene.templates();
    const memory = join(scene.host.dataDir, 'templates', key, 'memory');
    await writeFile(memory, await readFile(memory));
    expect(await startOf(vms)).toEqual({
      start: 'boot',
      startReason: 'no template: somebody changed its files',
    });
    expect(await scene.templates()).toEqual([]);
  });

  it('leave nothing half-built, also of a process that was killed', async () => {
    await mkdir(join(scene.host.dataDir, 'templates', 'building-1'), { recursive: true });
    const vms = await scene.open(noPool);
    expect(await readdir(join(scene.host.dataDir, 'templates'))).toEqual([]);
    await startOf(vms);
    await vms.close();
    expect(
      (await readdir(join(scene.host.dataDir, 'templates'))).filter((name) => name.startsWith('building')),
    ).toEqual([]);
    expect(await scene.host.folders()).toEqual([]);
    expect(scene.host.host.live).toEqual([]);
  });

  it('that cannot be built cost no job anything, and are not tried again and again', async () => {
    const bootOf: FakeHypervisorDeps['bootOf'] = ({ template }) =>
      template === undefined ? { outcome: 'agent', afterMs: 0 } : 'refuse';
    const vms = await scene.open(noPool, {}, { bootOf });
    await expect(vms.warm(order)).rejects.toMatchObject({ code: 'TEMPLATE_FAILED' });
    const starts = scene.starts;
    for (let job = 0; job < 3; job++) {
      expect(await startOf(vms)).toMatchObject({
        start: 'boot',
        startReason: expect.stringMatching(/refuse/),
      });
    }
    expect(scene.starts).toBe(starts + 3);
  });

  it('that cannot even be begun hold no place, and are built once they can', async () => {
    let passedMs = 0;
    const clock = { ...quickClock, monotonicMs: () => quickClock.monotonicMs() + passedMs };
    const vms = await scene.open(noPool, { clock });
    const folder = join(scene.host.dataDir, 'templates');
    await rm(folder, { recursive: true });
    await expect(vms.warm(order)).rejects.toMatchObject({ code: 'TEMPLATE_FAILED' });
    expect(vms.count()).toBe(0);
    await mkdir(folder);
    passedMs = 60_000;
    await withTemplate(vms);
    expect(await startOf(vms)).toMatchObject({ start: 'restore' });
  });

  it('that start no VM are given up after three, and each job is booted instead', async () => {
    const bootOf: FakeHypervisorDeps['bootOf'] = ({ template }) =>
      template?.act === 'start' ? 'refuse' : { outcome: 'agent', afterMs: 0 };
    const vms = await scene.open(noPool, {}, { bootOf });
    await withTemplate(vms);
    for (let job = 0; job < 3; job++) expect(await startOf(vms)).toMatchObject({ start: 'boot' });
    expect(await scene.templates()).toEqual([]);
    expect((await startOf(vms)).startReason).toMatch(/no VM could be started from it/);
  });

  it('take no more room than they may: the least recently used goes, never one in use', async () => {
    const vms = await scene.open(noPool);
    await withTemplate(vms);
    const [first = ''] = await scene.templates();
    await vms.close();
    // Room for two of them, which take a block or two each.
    const limited = await scene.open(noPool, { templateBytesMax: 20_000 });
    const used = await limited.start(order, never);
    expect(used.facts.start).toBe('restore');
    await limited.warm({ ...order, memoryMiB: 160 });
    await limited.warm({ ...order, memoryMiB: 192 });
    expect(await scene.templates()).toHaveLength(2);
    expect(await scene.templates()).toContain(first);
    await limited.kill(used.id);
    expect(await startOf(limited)).toMatchObject({ start: 'restore' });
    expect(await startOf(limited, { memoryMiB: 160 })).toMatchObject({
      start: 'boot',
      startReason: expect.stringMatching(/no room beside the other templates/),
    });
  });

  it('wait to be built in a line that has an end; a start beyond it goes without', async () => {
    const bootOf: FakeHypervisorDeps['bootOf'] = ({ template }) =>
      template === undefined ? { outcome: 'agent', afterMs: 0 } : { outcome: 'hang', afterMs: 0 };
    const vms = await scene.open(noPool, { bootTimeoutMs: 60_000 }, { bootOf });
    const sizes = Array.from({ length: limits.templatesWaiting + 1 }, (_, nth) => 128 + nth);
    for (const memoryMiB of sizes) await startOf(vms, { memoryMiB });
    const reasons = [];
    for (const memoryMiB of sizes) reasons.push((await startOf(vms, { memoryMiB })).startReason);
    expect(new Set(reasons.slice(0, -1))).toEqual(new Set(['its template is being built']));
    expect(reasons.at(-1)).toBe('there is no template of it yet');
  });

  it('are none when they are off, or the driver has none, and each boot says so', async () => {
    const config = { templates: 'off' as const, templateBytesMax: 1, pool: pool({}) };
    const off = await scene.host.open({ clock: quickClock, fastStarts: config }, { clock: quickClock });
    expect(await startOf(off)).toEqual({ start: 'boot', startReason: 'templates are off' });
    await off.close();
    const none = await scene.open(pool({}), {}, { templates: 'none' });
    expect(await startOf(none)).toEqual({ start: 'boot', startReason: 'fake has no templates' });
    await expect(none.warm(order)).rejects.toMatchObject({ code: 'TEMPLATE_FAILED' });
  });
});

describe('clones of one template', () => {
  it.each([
    ['restored', noPool],
    ['from the pool', pool({ target: 3 })],
  ])('have time, randomness and names of their own: %s', async (_, bounds) => {
    const vms = await scene.open(bounds);
    await withTemplate(vms);
    if (bounds.target > 0) {
      await startOf(vms);
      await waitUntil(() => vms.pooled().idle === 3);
      // Time goes on while they are paused.
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    const told: string[][] = [];
    for (let clone = 0; clone < 3; clone++) {
      const vm = await vms.start(order, never);
      expect(vm.facts.start).toBe(bounds.target > 0 ? 'pool' : 'restore');
      const [timeMs = '', ...names] = (await outputOf(vm, 'identity')).trim().split('\n');
      expect(Math.abs(Number(timeMs) - quickClock.nowMs())).toBeLessThan(100 * speed);
      expect(names[0]).toBe(`blixard-${vm.id.slice(-12)}`);
      await vms.kill(vm.id);
      told.push(names);
    }
    for (const column of [0, 1, 2]) expect(new Set(told.map((names) => names[column])).size).toBe(3);
  });

  it('never give the same random bytes', async () => {
    const vms = await scene.open(noPool);
    await withTemplate(vms);
    const vmsOf = await Promise.all([1, 2, 3, 4].map(() => vms.start(order, never)));
    const bytes = await Promise.all(vmsOf.map((vm) => outputOf(vm, 'random', '16')));
    expect(new Set(bytes).size).toBe(4);
  });
});
