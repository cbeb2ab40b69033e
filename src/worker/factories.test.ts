import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { VmHost } from '../vm/vm-host.suite.ts';
import { VmService } from '../vm/vm-service.ts';
import { SharedWorkerFactory } from './shared-worker-factory.ts';
import { StandaloneWorkerFactory } from './standalone-worker-factory.ts';
import { baseDeps, oneImage, World, waitUntil } from './world.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

const config = { name: 'host', version: '0.1.0', slots: 2, queues: ['default'] };
const sharedDeps = () => ({ ...baseDeps, client: world.client, images: oneImage, config });

it('the shared factory makes a worker that runs jobs in the VMs it was given, and leaves those open', async () => {
  const host = await VmHost.make();
  const vms = await host.open();
  const factory = new SharedWorkerFactory({ ...sharedDeps(), vms, dataDir: host.dataDir });
  const worker = await factory.create();
  await worker.start();
  const job = await world.submit(['echo', 'from a VM']);
  expect(await world.ended(job.id)).toMatchObject({ state: 'completed', exitCode: 0 });
  expect(String(await world.output(job.id))).toBe('from a VM\n');
  const { attempts } = await world.client.call('listAttempts', { params: { id: job.id } });
  expect(attempts[0]?.vm).toMatchObject({ hypervisor: 'fake', start: 'boot', image: 'sha256:1234' });
  const long = await world.submit(['sleep', '60000000']);
  await waitUntil(() => vms.count() === 1);
  await worker.kill();
  await waitUntil(() => vms.count() === 0);
  expect((await world.get(long.id)).state).toMatch(/claimed|running/);
  expect(vms.isAvailable()).toBe(true);
  await host.clean();
});

it('a microvm job waits, says why, and runs as soon as a worker with VMs joins', async () => {
  const host = await VmHost.make();
  const none = VmService.unavailable('SKIP_VM_MANAGER is 1');
  const without = new SharedWorkerFactory({ ...sharedDeps(), vms: none, dataDir: join(world.dir, 'a') });
  const first = await without.create();
  await first.start();
  const job = await world.submit(['exit', '0']);
  const { waiting } = await world.get(job.id);
  expect(waiting).toContain('SKIP_VM_MANAGER is 1');
  const vms = await host.open();
  const second = await new SharedWorkerFactory({
    ...sharedDeps(),
    vms,
    dataDir: join(world.dir, 'b'),
  }).create();
  await second.start();
  expect(await world.ended(job.id)).toMatchObject({ state: 'completed', workerId: second.id });
  await Promise.all([first.drain(1_000), second.drain(1_000)]);
  await host.clean();
});

it('the stand-alone factory makes a worker of its own from a config, over a real connection', async () => {
  const serverUrl = await world.app.listen({ host: '127.0.0.1', port: 0 });
  const make = () =>
    new StandaloneWorkerFactory({
      ...baseDeps,
      env: { SKIP_VM_MANAGER: '1' },
      config: {
        ...config,
        serverUrl,
        dataDir: join(world.dir, 'standalone'),
        imagesDir: join(world.dir, 'images'),
        accel: 'auto',
        vmsMax: 2,
      },
    }).create();
  const worker = await make();
  await expect(make()).rejects.toMatchObject({ code: 'WORKER_LOCKED' });
  await worker.start();
  const told = await world.client.call('getWorker', { params: { id: worker.id } });
  expect(told).toMatchObject({ name: 'host', state: 'online', slots: 2, queues: ['default'] });
  expect(told.executors).toEqual([{ name: 'microvm', unavailable: 'SKIP_VM_MANAGER is 1' }]);
  await worker.drain(1_000);
  await worker.stopped;
  expect((await world.client.call('getWorker', { params: { id: worker.id } })).state).toBe('offline');
  const again = await make();
  expect(again.id).toBe(worker.id);
  await again.kill();
});
