/** A service VM maps the memory of its template for as long as it lives: what was written there may be in it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FastScene, never, noPool, order, outputOf, pool, waitUntil } from './fast-scene.suite.ts';
import type { MicroVm } from './micro-vm.ts';
import type { PoolBounds } from './pool-plan.ts';
import type { VmService } from './vm-service.ts';

const shared = { ...order, isolation: 'shared', queue: 'builds', tenant: 'ann' } as const;
const services = { min: 0, target: 0, max: 4, coolDownMs: 600_000 };
const life = { jobsMax: 100, uptimeMaxMs: 3_600_000, memoryPercentMax: 90 };

let scene: FastScene;
beforeEach(async () => {
  scene = await FastScene.make();
});
afterEach(() => scene.clean());

async function job(vms: VmService): Promise<MicroVm> {
  const vm = await vms.start(shared, never);
  await outputOf(vm, 'true');
  return vm;
}

/** A VM that was restored from the template by a new VMM, and one that waited for its job; both are idle now. */
async function idleVms(vms: VmService): Promise<readonly MicroVm[]> {
  await vms.warm(order);
  const first = await job(vms);
  await waitUntil(() => vms.told().length === 2);
  const both = [first, await job(vms)];
  for (const vm of both) void vms.release(vm.id, { inOrder: true });
  await waitUntil(() => vms.list().length === 0);
  expect(both.map(({ state }) => state)).toEqual(['idle', 'idle']);
  return both;
}

describe('service VMs whose template', () => {
  const kinds: [string, PoolBounds][] = [
    ['a spare', noPool],
    ['a VM of the pool', pool({ target: 1, max: 1 })],
  ];

  it.each(kinds)('nobody has touched are lent again, also one that was %s', async (_, bounds) => {
    const vms = await scene.open(bounds, { services: { ...services, ...life } });
    const ids = (await idleVms(vms)).map(({ id }) => id);
    const next = [await job(vms), await job(vms)];
    expect(next.map(({ id }) => id).sort()).toEqual(ids.sort());
  });

  it.each(kinds)('somebody has touched are ended, not lent, also one that was %s', async (_, bounds) => {
    const vms = await scene.open(bounds, { services: { ...services, ...life } });
    const idle = await idleVms(vms);
    const [key = ''] = await scene.templates();
    const memory = join(scene.host.dataDir, 'templates', key, 'memory');
    await writeFile(memory, await readFile(memory));
    expect((await job(vms)).facts.start).toBe('boot');
    await waitUntil(() => idle.every(({ id }) => scene.host.host.find(id) === undefined));
  });
});
