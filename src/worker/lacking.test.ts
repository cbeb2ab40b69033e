import { expect, it } from 'vitest';
import { CliScene } from '../cli/cli-scene.suite.ts';
import { BlixardClient } from '../client/client.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { limits } from '../domain/limits.ts';
import { MicrovmExecutor } from '../executor/microvm-executor.ts';
import { ExecutorRegistry } from '../executor/registry.ts';
import { VmHost } from '../vm/vm-host.suite.ts';
import { takeIdentity } from './identity.ts';
import { jobsLacking } from './vm-reports.ts';
import { Worker } from './worker.ts';
import { baseDeps, testIds, World, waitUntil } from './world.suite.ts';

it('a claimed job says for what it waits on its worker, until it is started', async () => {
  const world = await World.open();
  const host = await VmHost.make();
  try {
    const vms = await host.open({ ...baseDeps, vmsMax: 8, cpusMax: 1 });
    const worker = new Worker({
      ...baseDeps,
      client: new BlixardClient({ transport: appTransport(world.app) }),
      executors: new ExecutorRegistry([new MicrovmExecutor({ ...baseDeps, vms, stopGraceMs: 100 })]),
      images: host.images,
      vms,
      identity: await takeIdentity({ dataDir: host.dataDir, ids: testIds }),
      config: { name: 'host-1', version: '0', slots: 4, queues: ['default'] },
    });
    world.workers.push(worker);
    await worker.start();
    const first = await world.submit(['sleep', '6000000']);
    await waitUntil(async () => (await world.get(first.id)).state === 'running');
    expect((await world.get(first.id)).waiting).toBeNull();
    const { id } = await world.submit(['exit', '0']);
    await waitUntil(async () => (await world.get(id)).waiting !== null);
    expect(await world.get(id)).toMatchObject({
      state: 'claimed',
      waiting: 'Its worker host-1 has 0 of 1 CPUs free.',
    });
    const shell = new CliScene({ transport: () => appTransport(world.app) });
    expect(await shell.run('job', 'get', id)).toBe(0);
    expect(shell.terminal.stdout).toMatch(/^waits +Its worker host-1 has 0 of 1 CPUs free\.$/m);
    await world.client.call('cancelJob', { params: { id: first.id } });
    expect(await world.ended(id)).toMatchObject({ state: 'completed', waiting: null });
  } finally {
    expect(await world.close()).toEqual([]);
    await host.clean();
  }
});

it('a worker tells of no more jobs that wait than the server takes', () => {
  const many = Array.from({ length: limits.lackingTold + 1 }, (_, nth) => ({
    ...{ purpose: `${testIds()}/1`, what: 'cpus' as const, text: `0 of 2 CPUs free, ${nth} before` },
  }));
  expect(jobsLacking(many)).toHaveLength(limits.lackingTold);
});
