import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import {
  FastScene,
  never,
  noPool,
  order,
  outputOf,
  pool,
  quickClock,
  startOf,
  waitUntil,
} from './fast-scene.suite.ts';
import { restoreTimeoutMs } from './fast-starts.ts';
import type { VmService } from './vm-service.ts';

const restored = { start: 'restore', startReason: 'the pool is off' };
/** Minutes pass only when the test says so, whatever the machine has to do besides. */
function heldMinutes(): { clock: Clock; pass: (minutes: number) => void } {
  const held = new Map<() => void, number>();
  const after = (delayMs: number, fire: () => void) => {
    if (delayMs < 60_000) return quickClock.after(delayMs, fire);
    held.set(fire, delayMs);
    return { cancel: () => held.delete(fire) };
  };
  const pass = (minutes: number): void => {
    for (const [fire, delayMs] of held) if (delayMs <= minutes * 60_000 && held.delete(fire)) fire();
  };
  return { clock: { ...quickClock, after }, pass };
}

let scene: FastScene;
beforeEach(async () => {
  scene = await FastScene.make();
});
afterEach(() => scene.clean());

/** Ids of the VMs that wait. */
function spares(vms: VmService): readonly string[] {
  return vms.told().flatMap(({ state, facts }) => (state === 'starting' ? facts.vmId : []));
}

/** A job has been restored, and there is a spare for the next; its id. */
async function withSpare(vms: VmService, more: Partial<typeof order> = {}): Promise<string> {
  await vms.warm({ ...order, ...more });
  const before = spares(vms);
  expect(await startOf(vms, more)).toEqual(restored);
  const isNew = (id: string) => !before.includes(id);
  await waitUntil(() => spares(vms).some(isNew));
  return spares(vms).find(isNew) ?? '';
}

describe('a spare', () => {
  it('is what the next job is restored with, gets its own identity, and is replaced behind its back', async () => {
    const vms = await scene.open(noPool);
    const spare = await withSpare(vms);
    expect(await scene.host.folders()).toEqual([spare]);
    expect(vms.told()).toMatchObject([{ purpose: undefined, facts: { start: 'restore' } }]);
    const vm = await vms.start({ ...order, purpose: 'a job' }, never);
    expect(vm.id).toBe(spare);
    expect(vm.facts).toMatchObject(restored);
    expect(spares(vms)).toEqual([]);
    const [timeMs = '', name] = (await outputOf(vm, 'identity')).trim().split('\n');
    expect(Math.abs(Number(timeMs) - quickClock.nowMs())).toBeLessThan(1_000);
    expect(name).toBe(`blixard-${spare.slice(-12)}`);
    await vms.kill(vm.id);
    await waitUntil(() => spares(vms).length === 1);
    expect(spares(vms)).not.toContain(spare);
    expect(vms.count()).toBe(1);
  });

  it('comes also while the job that took the last one goes on', async () => {
    const vms = await scene.open(noPool);
    const spare = await withSpare(vms);
    const vm = await vms.start(order, never);
    await outputOf(vm, 'identity');
    await waitUntil(() => spares(vms).length === 1);
    expect(vm.id).toBe(spare);
    expect(vms.find(spare)).toBe(vm);
  });

  it('is for one job, however many come at once', async () => {
    const vms = await scene.open(noPool);
    const spare = await withSpare(vms);
    const started = await Promise.all([1, 2, 3].map(() => vms.start(order, never)));
    expect(new Set(started.map(({ id }) => id)).size).toBe(3);
    expect(started.filter(({ id }) => id === spare)).toHaveLength(1);
    for (const { facts } of started) expect(facts).toMatchObject(restored);
  });

  it('is not for jobs of another size, nor for those of a tenant who shares nothing', async () => {
    const vms = await scene.open(noPool);
    const spare = await withSpare(vms);
    const other = await vms.start({ ...order, memoryMiB: 160 }, never);
    const alone = await vms.start({ ...order, isolation: 'maximum', tenant: 'acme' }, never);
    expect([other.facts.start, alone.facts.start]).toEqual(['boot', 'boot']);
    expect(spares(vms)).toEqual([spare]);
  });

  it('goes with its template when somebody has touched that', async () => {
    const vms = await scene.open(noPool);
    const spare = await withSpare(vms);
    const [key = ''] = await scene.templates();
    const memory = join(scene.host.dataDir, 'templates', key, 'memory');
    await writeFile(memory, await readFile(memory));
    expect(await startOf(vms)).toEqual({
      start: 'boot',
      startReason: 'no template: somebody changed its files',
    });
    await waitUntil(() => vms.count() === 0);
    expect(await scene.host.folders()).not.toContain(spare);
  });

  it('that has died is forgotten, and the next job is restored without', async () => {
    const vms = await scene.open(noPool);
    const spare = await withSpare(vms);
    await scene.host.host.find(spare)?.kill();
    const vm = await vms.start(order, never);
    expect(vm.id).not.toBe(spare);
    expect(vm.facts).toMatchObject(restored);
  });

  it('that is frozen costs its job a moment, not the time that a restore may take, and is ended', async () => {
    const vms = await scene.open(noPool);
    const spare = await withSpare(vms);
    scene.host.host.find(spare)?.freeze();
    const begunMs = quickClock.monotonicMs();
    const vm = await vms.start(order, never);
    expect(vm.id).not.toBe(spare);
    expect(vm.facts).toMatchObject(restored);
    expect(quickClock.monotonicMs() - begunMs).toBeLessThan(restoreTimeoutMs);
    await waitUntil(async () => (await scene.host.folders()).includes(spare) === false);
  });

  it('that does not come up costs its job nothing but time', async () => {
    const vms = await scene.open(
      noPool,
      {},
      { bootOf: ({ template }) => ({ outcome: template?.waits === true ? 'exit' : 'agent', afterMs: 0 }) },
    );
    const spare = await withSpare(vms);
    const vm = await vms.start(order, never);
    expect(vm.id).not.toBe(spare);
    expect(vm.facts).toMatchObject(restored);
    await waitUntil(async () => String(await scene.host.folders()) === vm.id);
  });

  it('is handed to a job that is cancelled meanwhile: nothing of it is left', async () => {
    const vms = await scene.open(
      noPool,
      {},
      { bootOf: ({ template }) => ({ outcome: template?.waits === true ? 'hang' : 'agent', afterMs: 0 }) },
    );
    await withSpare(vms);
    const abort = new AbortController();
    const starting = vms.start(order, abort.signal);
    setTimeout(() => abort.abort(new TypeError('cancelled')), 20);
    await expect(starting).rejects.toThrow('cancelled');
    expect(await scene.host.folders()).toEqual([]);
  });
});

describe('spares', () => {
  it('give way to jobs that need the room', async () => {
    const vms = await scene.open(noPool, { vmsMax: 2 });
    const spare = await withSpare(vms);
    const jobs = [await vms.start({ ...order, memoryMiB: 160 }, never)];
    expect(spares(vms)).toEqual([spare]);
    jobs.push(await vms.start({ ...order, memoryMiB: 160 }, never));
    expect(vms.count()).toBe(2);
    expect(spares(vms)).toEqual([]);
  });

  it('come as soon as there is room, where there was none at their time', async () => {
    const vms = await scene.open(noPool, { vmsMax: 2 });
    await vms.warm(order);
    const other = await vms.start({ ...order, memoryMiB: 160 }, never);
    expect(await startOf(vms)).toEqual(restored);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(spares(vms)).toEqual([]);
    await vms.kill(other.id);
    await waitUntil(() => spares(vms).length === 1);
    expect(vms.told()).toMatchObject([{ memoryMiB: order.memoryMiB, facts: { start: 'restore' } }]);
  });

  it('are none where the last VM of the host would be one', async () => {
    const vms = await scene.open(noPool, { vmsMax: 1 });
    await vms.warm(order);
    for (let job = 0; job < 3; job++) expect(await startOf(vms)).toEqual(restored);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(vms.told()).toEqual([]);
  });

  it('are kept of the templates last restored from, and not of more than may be', async () => {
    const vms = await scene.open(noPool);
    const ids: string[] = [];
    for (let nth = 0; nth <= limits.sparesMax; nth++) {
      ids.push(await withSpare(vms, { memoryMiB: 128 + nth }));
    }
    await waitUntil(() => spares(vms).length === limits.sparesMax);
    expect(spares(vms)).toEqual(ids.slice(1));
  });

  it('go when no job was restored for some minutes', async () => {
    const { clock, pass } = heldMinutes();
    const vms = await scene.open(noPool, { clock }, { clock });
    const spare = await withSpare(vms);
    pass(4);
    expect(spares(vms)).toEqual([spare]);
    pass(5);
    await waitUntil(() => vms.count() === 0);
    expect(scene.host.host.live).toEqual([]);
    expect(await scene.host.folders()).toEqual([]);
  });

  it('are none where there is a pool', async () => {
    const vms = await scene.open(pool({ target: 1, max: 1 }));
    await vms.warm(order);
    await startOf(vms);
    await waitUntil(() => vms.pooled().idle === 1);
    await Promise.all([startOf(vms), startOf(vms), startOf(vms)]);
    await waitUntil(() => vms.pooled().idle === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(spares(vms)).toEqual([]);
  });

  it('that cannot be started hinder no job', async () => {
    const vms = await scene.open(
      noPool,
      {},
      { bootOf: ({ template }) => (template?.waits === true ? 'refuse' : { outcome: 'agent', afterMs: 0 }) },
    );
    await vms.warm(order);
    for (let job = 0; job < 3; job++) {
      expect(await startOf(vms)).toEqual(restored);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await waitUntil(async () => vms.count() === 0 && (await scene.host.folders()).length === 0);
  });

  it('end with their worker, also those on their way', async () => {
    const vms = await scene.open(noPool);
    await withSpare(vms);
    await startOf(vms);
    await vms.close();
    expect(scene.host.host.live).toEqual([]);
    expect(await scene.host.folders()).toEqual([]);
  });
});
