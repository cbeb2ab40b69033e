import { availableParallelism } from 'node:os';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BlixardClient } from '../client/client.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { limits } from '../domain/limits.ts';
import { MicrovmExecutor } from '../executor/microvm-executor.ts';
import { ExecutorRegistry } from '../executor/registry.ts';
import type { Image } from '../image/image-store.ts';
import { breakerBounds } from '../vm/breaker.ts';
import { VmHost } from '../vm/vm-host.suite.ts';
import { takeIdentity } from './identity.ts';
import { Worker } from './worker.ts';
import { baseDeps, testIds, World, waitUntil } from './world.suite.ts';

const slots = 4;
let world: World;
let host: VmHost;
beforeEach(async () => {
  world = await World.open();
  host = await VmHost.make();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
  await host.clean();
});

/** A worker over fake VMs of a real host; those of the image `broken` do not boot. */
async function startWorker(): Promise<void> {
  const broken = (): Image => ({ ...host.image, name: 'broken', digest: 'sha256:b', kernelPath: '/broken' });
  const images = {
    find: async (name: string) => (name === 'broken' ? broken() : await host.images.find(name)),
    list: async () => [host.image, broken()],
  };
  const vms = await host.open(
    { ...baseDeps, images, vmsMax: 2 * slots },
    { bootOf: ({ kernelPath }) => ({ outcome: kernelPath === '/broken' ? 'exit' : 'agent', afterMs: 0 }) },
  );
  const worker = new Worker({
    ...baseDeps,
    client: new BlixardClient({ transport: appTransport(world.app) }),
    executors: new ExecutorRegistry([new MicrovmExecutor({ ...baseDeps, vms })]),
    images,
    vms,
    identity: await takeIdentity({ dataDir: host.dataDir, ids: testIds }),
    config: { name: 'test', version: '0', slots, queues: ['default'] },
  });
  world.workers.push(worker);
  await worker.start();
}

it('a flood of jobs whose image does not start keeps none of another from running', async () => {
  await startWorker();
  const before = host.drivers.at(-1)?.starts ?? 0;
  const broken = await Promise.all(
    Array.from({ length: 30 }, () => world.submit(['true'], { image: 'broken' })),
  );
  const well = await Promise.all(Array.from({ length: 10 }, () => world.submit(['exit', '0'])));
  const ended = await Promise.all(well.map(({ id }) => world.ended(id)));
  expect(ended.map(({ state, infraFailures }) => [state, infraFailures])).toEqual(
    well.map(() => ['completed', 0]),
  );
  // Those that were tried before come again after a back-off.
  const refused = async () => {
    const jobs = await Promise.all(broken.map(({ id }) => world.get(id)));
    return jobs.filter(({ message }) => message?.includes('failed in a row') === true);
  };
  await waitUntil(async () => (await refused()).length >= broken.length - breakerBounds.failuresMax - slots);
  // Started twice each, also those under way when the last one failed; and one to see whether the host is well.
  const starts = (host.drivers.at(-1)?.starts ?? 0) - before - well.length;
  expect(starts).toBeLessThanOrEqual(2 * (breakerBounds.failuresMax + slots - 1) + 1);
  for (const job of await refused()) {
    expect(job).toMatchObject({ state: 'scheduled', reason: 'vm_boot_failed', attemptsUsed: 0 });
    expect(job.runAtMs - job.updatedAtMs).toBeGreaterThan(breakerBounds.openMs / 2);
  }
  const { stopped } = await world.client.call('getVmStats');
  expect(stopped).toMatchObject([{ image: 'broken:latest', workerName: 'test' }]);
}, 30_000);

it.skipIf(availableParallelism() >= limits.vcpusMax)(
  'a job whose VM is larger than that of any worker fails at its first attempt and says what the largest has',
  async () => {
    await startWorker();
    const job = await world.submit(['true'], { vcpus: limits.vcpusMax, attemptsMax: 5 });
    expect(await world.ended(job.id)).toMatchObject({ state: 'failed', reason: 'vm_too_large', attempt: 1 });
    const { message } = await world.get(job.id);
    expect(message).toMatch(
      /has room for a VM of 128 MiB and 64 CPUs; the largest, test, gives [\d.]+ GiB and \d+ CPUs?\.$/,
    );
  },
);
