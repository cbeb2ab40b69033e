import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import type { FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { FastScene, never, noPool, order, quickClock, speed, waitUntil } from './fast-scene.suite.ts';

let scene: FastScene;
beforeEach(async () => {
  scene = await FastScene.make();
});
afterEach(() => scene.clean());

/** VMs for templates never get ready. */
const bootOf: FakeHypervisorDeps['bootOf'] = ({ template }) =>
  template === undefined ? { outcome: 'agent', afterMs: 0 } : { outcome: 'hang', afterMs: 0 };

describe('the warming of an image', () => {
  it('waits behind the jobs of the host, and says so', async () => {
    const vms = await scene.open(noPool, { vmsMax: 1 });
    const vm = await vms.start(order, never);
    const steps: string[] = [];
    const warming = vms.warm(order, (title) => steps.push(title));
    await waitUntil(() => steps.some((title) => title.startsWith('Waiting for room')));
    await vms.kill(vm.id);
    expect(await warming).toMatchObject({ key: expect.any(String) as string });
    expect(steps.at(-1)).toBe('Saving its memory');
  });

  it('gives up when the template is not built in time, with the reason', async () => {
    const after: Clock['after'] = (delayMs, fire) =>
      realClock.after(delayMs === limits.warmMsMax ? 20 : delayMs / speed, fire);
    const clock = { ...quickClock, after };
    const vms = await scene.open(noPool, { clock, bootTimeoutMs: 600_000 }, { bootOf });
    await expect(vms.warm(order)).rejects.toMatchObject({
      code: 'TEMPLATE_FAILED',
      message: expect.stringContaining('not built within 10m'),
    });
  });

  it('is refused when too many templates wait already, but for one that does', async () => {
    const vms = await scene.open(noPool, { bootTimeoutMs: 600_000 }, { bootOf });
    const warms = Array.from({ length: limits.templatesWaiting }, (_, nth) =>
      vms.warm({ ...order, memoryMiB: 128 + nth }),
    );
    const told = Promise.allSettled(warms);
    const steps: string[] = [];
    await waitUntil(() => scene.starts > 1);
    const again = Promise.allSettled([vms.warm({ ...order, memoryMiB: 129 }, (title) => steps.push(title))]);
    await waitUntil(() => steps.length > 0);
    expect(steps).toEqual(['Waiting for the templates that are built before it']);
    await expect(vms.warm({ ...order, memoryMiB: 1_000 })).rejects.toMatchObject({
      code: 'TEMPLATE_FAILED',
      message: expect.stringContaining(`${limits.templatesWaiting} templates wait`),
    });
    await vms.close();
    for (const warm of await told) {
      expect(warm).toMatchObject({
        reason: { code: 'TEMPLATE_FAILED', details: { problem: 'the worker is stopping' } },
      });
    }
    await again;
  });

  it('takes no more CPUs than the host has', async () => {
    const vms = await scene.open(noPool);
    await expect(vms.warm({ ...order, vcpus: limits.vcpusMax })).rejects.toMatchObject({
      code: 'VM_TOO_LARGE',
    });
  });
});
