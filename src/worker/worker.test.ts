import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlixardError } from '../domain/errors.ts';
import { patternOfBytes } from '../executor/fake/fake-executor.ts';
import { heartbeatMs, leaseMs, loseAnswer, unreachable, World, waitUntil } from './world.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

const isState = (id: string, state: string) => async () => (await world.get(id)).state === state;
const pauseMs = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a worker', () => {
  it('runs a job to its end, whatever that is', async () => {
    const { worker } = await world.startWorker();
    const good = await world.submit(['print', 'hello', ';', 'print-error', 'oh']);
    const bad = await world.submit(['exit', '3']);
    expect(await world.ended(good.id)).toMatchObject({
      state: 'completed',
      exitCode: 0,
      workerId: worker.id,
    });
    expect(String(await world.output(good.id))).toBe('hello');
    expect(String(await world.output(good.id, 'stderr'))).toBe('oh');
    expect(await world.ended(bad.id)).toMatchObject({ state: 'failed', reason: 'exit', exitCode: 3 });
  });

  it('ships any bytes unchanged, many of them, before it reports the end', async () => {
    await world.startWorker();
    const job = await world.submit(['bytes', '5000000', ';', 'print', 'end']);
    await world.ended(job.id);
    const expected = Buffer.concat([patternOfBytes(5_000_000), Buffer.from('end')]);
    expect((await world.output(job.id)).equals(expected)).toBe(true);
  });

  it('runs no more at once than it has slots, and each job once', async () => {
    const { executor } = await world.startWorker({ slots: 3 });
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, executor.live);
    }, 1);
    const jobs = await Promise.all(Array.from({ length: 40 }, () => world.submit(['sleep', '5'])));
    for (const { id } of jobs) expect((await world.ended(id)).state).toBe('completed');
    clearInterval(watch);
    expect(most).toBe(3);
    expect([...executor.begun].sort()).toEqual(jobs.map(({ id }) => `${id}/1`).sort());
  });

  it('gets a job that is submitted while it waits at once', async () => {
    const { wire } = await world.startWorker();
    await waitUntil(() => wire.seen.some((line) => line.endsWith('/work')));
    const job = await world.submit(['print', 'x']);
    const startedMs = performance.now();
    await world.ended(job.id);
    expect(performance.now() - startedMs).toBeLessThan(heartbeatMs * 10);
  });

  it('ends a running job that is cancelled, and a stubborn one too', async () => {
    const { executor } = await world.startWorker();
    for (const command of [
      ['sleep', '60000'],
      ['ignore-stop', ';', 'sleep', '60000'],
    ]) {
      const job = await world.submit(command);
      await waitUntil(isState(job.id, 'running'));
      await world.client.call('cancelJob', { params: { id: job.id }, body: { reason: 'enough' } });
      expect(await world.ended(job.id)).toMatchObject({ state: 'cancelled', reason: 'cancelled' });
    }
    expect(executor.live).toBe(0);
  });

  it('hears of a cancel also while all its slots are taken', async () => {
    await world.startWorker({ slots: 1 });
    const job = await world.submit(['sleep', '60000']);
    await waitUntil(isState(job.id, 'running'));
    await pauseMs(heartbeatMs * 2);
    await world.client.call('cancelJob', { params: { id: job.id }, body: {} });
    expect((await world.ended(job.id)).state).toBe('cancelled');
  });

  it('tells what it cannot run, and takes no such job', async () => {
    const made = await world.makeWorker();
    made.executor.unavailableReason = 'no VMs on this host';
    await made.worker.start();
    const job = await world.submit(['exit', '0']);
    await pauseMs(heartbeatMs * 2);
    const waiting = await world.get(job.id);
    expect(waiting).toMatchObject({ state: 'pending', attempt: 0 });
    expect(waiting.waiting).toContain('no VMs on this host');
    expect(made.executor.begun).toEqual([]);
  });

  it('tells what it can run no more, and can run again, without a new registration', async () => {
    const { executor, worker } = await world.startWorker();
    const before = await world.client.call('getWorker', { params: { id: worker.id } });
    executor.unavailableReason = 'three images failed in a row';
    await pauseMs(heartbeatMs * 3);
    const job = await world.submit(['exit', '0']);
    await pauseMs(heartbeatMs * 2);
    expect(await world.get(job.id)).toMatchObject({
      ...{ state: 'pending', attempt: 0 },
      waiting: expect.stringContaining('three images failed in a row'),
    });
    executor.unavailableReason = null;
    expect((await world.ended(job.id)).state).toBe('completed');
    const { generation } = await world.client.call('getWorker', { params: { id: worker.id } });
    expect(generation).toBe(before.generation);
  });

  it('an executor that fails after the claim sends the job back without spending an attempt', async () => {
    const { executor } = await world.startWorker();
    executor.unavailableReason = 'broke down';
    const job = await world.submit(['exit', '0']);
    await waitUntil(async () => (await world.get(job.id)).infraFailures === 1);
    expect(await world.get(job.id)).toMatchObject({ state: 'scheduled', attemptsUsed: 0 });
    executor.unavailableReason = null;
    expect((await world.ended(job.id)).state).toBe('completed');
  });

  it('keeps its lease with one call per heartbeat when idle', async () => {
    const { wire, worker } = await world.startWorker();
    wire.seen.length = 0;
    await pauseMs(leaseMs * 3);
    const calls = wire.seen.length;
    expect(calls).toBeLessThanOrEqual((leaseMs * 3) / heartbeatMs + 2);
    expect(new Set(wire.seen)).toEqual(new Set([`POST /v1/workers/${worker.id}/work`]));
    const { state, generation } = await world.client.call('getWorker', { params: { id: worker.id } });
    expect({ state, generation }).toEqual({ state: 'online', generation: 1 });
  });

  it('keeps its lease by heartbeats while its work call is stuck', async () => {
    const { wire, worker } = await world.startWorker();
    wire.fate = (request, pass) => (request.path.endsWith('/work') ? new Promise(() => undefined) : pass());
    await pauseMs(leaseMs * 3);
    expect(wire.seen.some((line) => line.endsWith('/heartbeat'))).toBe(true);
    expect((await world.client.call('getWorker', { params: { id: worker.id } })).state).toBe('online');
  });
});

describe('a worker in trouble', () => {
  it('starts once the server answers', async () => {
    const { worker, wire } = await world.makeWorker();
    let refusals = 0;
    wire.fate = (_request, pass) => (++refusals <= 3 ? Promise.reject(unreachable()) : pass());
    await worker.start();
    expect(refusals).toBeGreaterThan(3);
    expect((await world.client.call('getWorker', { params: { id: worker.id } })).state).toBe('online');
  });

  it('goes on with its job while the server is away, and reports when it is back', async () => {
    const { wire } = await world.startWorker();
    const job = await world.submit(['sleep', '50', ';', 'bytes', '3000000', ';', 'exit', '7']);
    await waitUntil(isState(job.id, 'running'));
    wire.fate = () => Promise.reject(unreachable());
    await pauseMs(leaseMs / 2);
    wire.fate = (_request, pass) => pass();
    expect(await world.ended(job.id)).toMatchObject({ state: 'failed', exitCode: 7, attempt: 1 });
    expect((await world.output(job.id)).equals(patternOfBytes(3_000_000))).toBe(true);
  });

  it('away longer than its lease, it is refused, kills what it runs and comes back as a new generation', async () => {
    const { wire, worker, executor } = await world.startWorker();
    const job = await world.submit(['sleep', '60000']);
    await waitUntil(isState(job.id, 'running'));
    wire.fate = () => Promise.reject(unreachable());
    await waitUntil(isState(job.id, 'pending'));
    expect(executor.live).toBe(1);
    wire.fate = (_request, pass) => pass();
    await waitUntil(() => executor.begun.length === 2);
    expect(executor.begun).toEqual([`${job.id}/1`, `${job.id}/2`]);
    expect(executor.live).toBe(1);
    expect((await world.client.call('getWorker', { params: { id: worker.id } })).generation).toBe(2);
  });

  it('killed and started again from the same directory, it is the same worker and the job runs again', async () => {
    const first = await world.startWorker();
    const job = await world.submit(['sleep', '100']);
    await waitUntil(isState(job.id, 'running'));
    await first.worker.kill();
    const second = await world.startWorker({ dataDir: first.dataDir });
    expect(second.worker.id).toBe(first.worker.id);
    expect(await world.ended(job.id)).toMatchObject({ state: 'completed', attempt: 2, infraFailures: 0 });
    expect(second.executor.begun).toEqual([`${job.id}/2`]);
  });

  it('stops an attempt that the server says is not its own, and does not speak of it again', async () => {
    const { wire, executor } = await world.startWorker({ slots: 1 });
    const fenced = new BlixardError('FENCED', { problem: 'somebody else has it' });
    wire.fate = (request, pass) => (request.path.endsWith('/start') ? Promise.reject(fenced) : pass());
    const job = await world.submit(['print', 'side effect']);
    await waitUntil(() => wire.seen.some((line) => line.endsWith('/start')));
    wire.fate = (_request, pass) => pass();
    const next = await world.submit(['sleep', '30', ';', 'print', 'x']);
    await waitUntil(isState(next.id, 'running'));
    wire.fate = (request, pass) => (request.path.includes('/logs') ? Promise.reject(fenced) : pass());
    await waitUntil(() => wire.seen.some((line) => line.endsWith('/logs')));
    await waitUntil(() => executor.live === 0);
    await pauseMs(heartbeatMs * 2);
    expect(executor.begun).toEqual([`${next.id}/1`]);
    expect((await world.get(job.id)).state).toBe('claimed');
    expect((await world.get(next.id)).state).toBe('running');
  });

  it('works through a slow wire', async () => {
    const { wire } = await world.startWorker();
    wire.fate = async (_request, pass) => {
      await pauseMs(40);
      return pass();
    };
    const jobs = await Promise.all(Array.from({ length: 8 }, () => world.submit(['bytes', '100000'])));
    for (const { id } of jobs) {
      expect((await world.ended(id)).state).toBe('completed');
      expect((await world.output(id)).equals(patternOfBytes(100_000))).toBe(true);
    }
  });

  it('loses no claim and no report whose answers are lost', async () => {
    const { wire, executor } = await world.startWorker({ slots: 2 });
    const lost = new Map<string, number>();
    wire.fate = (request, pass) => {
      const times = lost.get(request.path) ?? 0;
      if (request.path.endsWith('/heartbeat') || times >= 2) return pass();
      lost.set(request.path, times + 1);
      return loseAnswer(request, pass);
    };
    const jobs = await Promise.all(Array.from({ length: 3 }, (_, n) => world.submit(['print', `job ${n}`])));
    for (const [n, { id }] of jobs.entries()) {
      expect(await world.ended(id)).toMatchObject({ state: 'completed', attempt: 1 });
      expect(String(await world.output(id))).toBe(`job ${n}`);
    }
    expect(executor.begun.length).toBe(3);
  });
});
