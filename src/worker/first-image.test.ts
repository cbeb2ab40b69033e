import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BlixardClient } from '../client/client.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { MicrovmExecutor } from '../executor/microvm-executor.ts';
import { ExecutorRegistry } from '../executor/registry.ts';
import type { FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import { addImage, blobOf } from '../image/image-scene.suite.ts';
import { ImageStore } from '../image/image-store.ts';
import { VmHost } from '../vm/vm-host.suite.ts';
import type { VmService } from '../vm/vm-service.ts';
import { takeIdentity } from './identity.ts';
import { Worker } from './worker.ts';
import { baseDeps, testIds, World, waitUntil } from './world.suite.ts';

let world: World;
let host: VmHost;
let dir: string;
beforeEach(async () => {
  world = await World.open();
  host = await VmHost.make();
  dir = join(world.dir, 'images');
  await mkdir(dir);
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
  await host.clean();
});

/** A worker over fake VMs, and the images in `dir`. */
async function startWorker(fake: Partial<FakeHypervisorDeps> = {}): Promise<VmService> {
  const images = new ImageStore({ dir });
  const vms = await host.open({ ...baseDeps, images }, fake);
  const worker = new Worker({
    ...baseDeps,
    client: new BlixardClient({ transport: appTransport(world.app) }),
    executors: new ExecutorRegistry([new MicrovmExecutor({ ...baseDeps, vms })]),
    images,
    vms,
    identity: await takeIdentity({ dataDir: host.dataDir, ids: testIds }),
    config: { name: 'test', version: '0', slots: 2, queues: ['default'] },
  });
  world.workers.push(worker);
  await worker.start();
  return vms;
}

it('a worker that had no image at its start runs jobs after the first image build, without a restart', async () => {
  const vms = await startWorker();
  const job = await world.submit(['exit', '0']);
  expect((await world.get(job.id)).waiting).toContain(
    `there is no image in ${dir} yet; blixard image build base --images-dir ${dir} makes one`,
  );
  expect(vms.isAvailable()).toBe(false);
  await addImage(dir, 'base', 'latest');
  expect(await world.ended(job.id)).toMatchObject({ state: 'completed', attempt: 1 });
});

it('and so does one whose only image did not start, once there is a good one', async () => {
  await addImage(dir, 'base', 'latest');
  const broken = (await new ImageStore({ dir }).find('base'))?.initrdPath;
  const vms = await startWorker({
    bootOf: ({ initrdPath }) => ({ outcome: initrdPath === broken ? 'exit' : 'agent', afterMs: 0 }),
  });
  expect(vms.unavailableReason()).toContain('The microVM did not start');
  await addImage(dir, 'tools', 'latest');
  await waitUntil(() => vms.unavailableReason()?.includes('did not start') === true);
  await addImage(dir, 'base', 'latest', { initrd: await blobOf(dir, 'initrd that starts') });
  const job = await world.submit(['exit', '0']);
  expect(await world.ended(job.id)).toMatchObject({ state: 'completed' });
});

it('a worker that is stopped while its first image comes leaves nothing', async () => {
  const vms = await startWorker();
  await addImage(dir, 'base', 'latest');
  await vms.close();
  expect(host.host.live).toEqual([]);
  await addImage(dir, 'tools', 'latest');
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(host.host.live).toEqual([]);
});
