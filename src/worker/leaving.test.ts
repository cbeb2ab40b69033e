import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeIdentity } from './identity.ts';
import { heartbeatMs, testIds, unreachable, World, waitUntil } from './world.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

const isState = (id: string, state: string) => async () => (await world.get(id)).state === state;
const pauseMs = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a worker that leaves', () => {
  it('lets running jobs end within the grace time, and takes no new ones', async () => {
    const { worker } = await world.startWorker();
    const job = await world.submit(['sleep', '150', ';', 'print', 'done']);
    await waitUntil(isState(job.id, 'running'));
    const drained = worker.drain(10_000);
    const late = await world.submit(['exit', '0']);
    await drained;
    await worker.stopped;
    expect((await world.get(job.id)).state).toBe('completed');
    expect(await world.get(late.id)).toMatchObject({ state: 'pending', attempt: 0 });
    expect((await world.client.call('getWorker', { params: { id: worker.id } })).state).toBe('offline');
  });

  it('gives back what outlasts the grace time, at no cost to the user', async () => {
    const { worker, executor } = await world.startWorker();
    const job = await world.submit(['sleep', '60000']);
    await waitUntil(isState(job.id, 'running'));
    await worker.drain(20);
    expect(executor.live).toBe(0);
    expect(await world.get(job.id)).toMatchObject({ state: 'pending', attemptsUsed: 0, infraFailures: 1 });
    const other = await world.startWorker();
    await waitUntil(() => other.executor.begun.length === 1);
    expect(other.executor.begun).toEqual([`${job.id}/2`]);
  });

  it('ends in bounded time also when the server is away, and can be killed in the middle', async () => {
    const { worker, wire, executor } = await world.startWorker();
    const job = await world.submit(['sleep', '60000']);
    await waitUntil(isState(job.id, 'running'));
    wire.fate = () => Promise.reject(unreachable());
    const drained = worker.drain(60_000);
    await pauseMs(20);
    await worker.kill();
    await drained;
    await worker.stopped;
    expect(executor.live).toBe(0);
  });

  it('drained by an operator it takes no more, and what it runs goes on', async () => {
    const { worker, executor } = await world.startWorker();
    const job = await world.submit(['sleep', '100']);
    await waitUntil(isState(job.id, 'running'));
    await world.client.call('drainWorker', { params: { id: worker.id } });
    const late = await world.submit(['exit', '0']);
    expect((await world.ended(job.id)).state).toBe('completed');
    await pauseMs(heartbeatMs * 2);
    expect((await world.get(late.id)).state).toBe('pending');
    expect(executor.begun).toEqual([`${job.id}/1`]);
    expect((await world.client.call('getWorker', { params: { id: worker.id } })).state).toBe('draining');
  });

  it('reports how a command ended also when its grace time is over before its last output is shipped', async () => {
    const { worker, wire } = await world.startWorker();
    let blockLogs = true;
    wire.fate = (request, pass) =>
      blockLogs && request.path.includes('/logs') ? Promise.reject(unreachable()) : pass();
    const job = await world.submit(['print', 'x', ';', 'exit', '0']);
    await waitUntil(() => wire.seen.some((line) => line.endsWith('/logs')));
    await worker.drain(20);
    blockLogs = false;
    expect(await world.get(job.id)).toMatchObject({ state: 'completed', exitCode: 0, attempt: 1 });
  });

  it('has ended also when what was made for it cannot be closed', async () => {
    const stuck = await world.makeWorker({
      dataDir: join(world.dir, 'stuck'),
      onEnd: () => Promise.reject(new Error('cannot close')),
    });
    await stuck.worker.start();
    await expect(stuck.worker.kill()).rejects.toThrow('cannot close');
    await stuck.worker.stopped;
    const again = await takeIdentity({ dataDir: stuck.dataDir, ids: testIds });
    await again.release();
    world.workers.splice(world.workers.indexOf(stuck.worker), 1);
  });

  it('can be told to before it has registered', async () => {
    const { worker, wire } = await world.makeWorker();
    wire.fate = () => Promise.reject(unreachable());
    const started = worker.start();
    const refused = expect(started).rejects.toMatchObject({ code: 'WORKER_STOPPED' });
    await pauseMs(20);
    await worker.drain(1_000);
    await refused;
  });
});
