import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Transport } from '../client/transport.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { limits } from '../domain/limits.ts';
import type { JobFunction } from '../executor/function-executor.ts';
import { type FunctionWorker, type FunctionWorkerOptions, startFunctionWorker } from './index.ts';
import { TestWire, World, waitUntil } from './world.suite.ts';

let world: World;
let workers: FunctionWorker[];
beforeEach(async () => {
  world = await World.open();
  workers = [];
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop(0)));
  expect(await world.close()).toEqual([]);
});

type Functions = Readonly<Record<string, JobFunction>>;

async function start(functions: Functions, options: Partial<FunctionWorkerOptions> = {}) {
  const wire = new CountingWire(appTransport(world.app));
  const worker = await startFunctionWorker({ functions, transport: wire, ...options });
  workers.push(worker);
  return { worker, wire };
}

/** A wire that also passes calls, and counts those for work. */
class CountingWire extends TestWire {
  works = 0;
  largest = 0;
  readonly #direct = appTransport(world.app);

  call: NonNullable<Transport['call']> = async (call) => {
    if (call.route === 'work') this.works++;
    const reply = await (this.#direct.call ?? expect.fail('no calls'))(call);
    const { claimed = [] } = reply.body as { claimed?: unknown[] };
    this.largest = Math.max(this.largest, claimed.length);
    return reply;
  };
}

const submit = (command: string[], more = {}) => world.submit(command, { executor: 'function', ...more });
const submitMany = (count: number) =>
  world.client.call('submitJobs', {
    body: Array.from({ length: count }, (_, n) => ({ executor: 'function', command: ['act', String(n)] })),
  });

describe('a worker of functions', () => {
  it('runs the function a job names, and keeps what it prints', async () => {
    await start({
      'send-mail': async (job) => {
        const { to } = JSON.parse(job.args[0] ?? '{}') as { to: string };
        await job.print(`to ${to}\n`);
      },
    });
    const job = await submit(['send-mail', JSON.stringify({ to: 'ada@example.org' })]);
    const ended = await world.ended(job.id);
    expect(ended).toMatchObject({ state: 'completed', exitCode: 0, attempt: 1, attemptsUsed: 1 });
    expect(ended.startedAtMs).toBeGreaterThanOrEqual(ended.createdAtMs);
    expect((await world.output(job.id)).toString()).toBe('to ada@example.org\n');
  });

  it('retries what throws, and tells a time-out', async () => {
    await start({
      flaky: ({ attempt }) => {
        if (attempt < 3) throw new Error(`attempt ${attempt} fails`);
      },
      slow: ({ signal }) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
    });
    const flaky = await submit(['flaky'], { attemptsMax: 3, backoff: { delayMs: 1 } });
    const slow = await submit(['slow'], { timeoutMs: 30 });
    expect(await world.ended(flaky.id)).toMatchObject({ state: 'completed', attempt: 3 });
    expect(await world.ended(slow.id)).toMatchObject({ state: 'failed', reason: 'timeout' });
    const { attempts } = await world.client.call('listAttempts', { params: { id: flaky.id } });
    expect(attempts.map(({ message }) => message)).toEqual(['attempt 1 fails', 'attempt 2 fails', null]);
  });

  it('is told of a cancel, before its job is told as running and after', async () => {
    const seen: string[] = [];
    const wait: JobFunction = (job) => {
      job.signal.addEventListener('abort', () => seen.push(job.id));
      return new Promise<void>((resolve) => job.signal.addEventListener('abort', () => resolve()));
    };
    await start({ wait });
    const job = await submit(['wait']);
    await waitUntil(async () => (await world.get(job.id)).state === 'running');
    await world.client.call('cancelJob', { params: { id: job.id } });
    expect(await world.ended(job.id)).toMatchObject({ state: 'cancelled' });
    const early = await submit(['wait']);
    await waitUntil(async () => (await world.get(early.id)).state === 'claimed');
    await world.client.call('cancelJob', { params: { id: early.id } });
    expect(await world.ended(early.id)).toMatchObject({ state: 'cancelled' });
    await waitUntil(() => seen.length === 2);
    expect(seen).toEqual([job.id, early.id]);
  });
});

describe('a worker of functions that the server refuses', () => {
  it('says why, and leaves no connection open', async () => {
    const wire = new CountingWire(appTransport(world.app));
    let closes = 0;
    wire.close = async () => void closes++;
    const starting = startFunctionWorker({ functions: {}, transport: wire, slots: 0 });
    await expect(starting).rejects.toMatchObject({ code: 'VALIDATION_FAILED', details: { field: 'slots' } });
    expect(closes).toBe(1);
  });
});

describe('claims ahead', () => {
  it('do thousands of jobs in a few calls, each job once', async () => {
    const count = 3_000;
    for (let made = 0; made < count; made += 1_000) await submitMany(1_000);
    const ran = new Map<string, number>();
    const { wire } = await start({ act: ({ id }) => void ran.set(id, (ran.get(id) ?? 0) + 1) });
    await waitUntil(async () => {
      const { jobs } = await world.client.call('getStats');
      return jobs.find(({ state }) => state === 'completed')?.count === count;
    });
    expect(ran.size).toBe(count);
    expect([...ran.values()].every((times) => times === 1)).toBe(true);
    expect(wire.works).toBeLessThan(60);
    // Half of what may be ahead, and a job for each slot.
    expect(wire.largest).toBeLessThanOrEqual(limits.claimAheadMax / 2 + 5);
    expect(wire.seen.filter((request) => request.endsWith('/start'))).toEqual([]);
  });

  it('claim no more than they run when they are told so', async () => {
    await submitMany(40);
    let done = 0;
    const { wire } = await start({ act: () => void done++ }, { slots: 3, claimAheadMax: 0 });
    await waitUntil(() => done === 40);
    expect(wire.largest).toBe(3);
  });

  it('are given back, at no cost, by a worker that leaves', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun = 0;
    // The first are quick, so that many are claimed ahead; then one takes its time.
    const act = async (): Promise<void> => {
      if (++begun > 20) await gate;
    };
    await submitMany(300);
    const { worker } = await start({ act }, { slots: 1 });
    await waitUntil(() => begun === 21);
    const stopped = worker.stop(5_000);
    await waitUntil(async () => {
      const { jobs } = await world.client.call('getStats');
      return jobs.find(({ state }) => state === 'pending')?.count === 279;
    });
    release();
    await stopped;
    const { jobs } = await world.client.call('listJobs', { query: { state: 'pending', limit: 500 } });
    expect(jobs.every(({ attemptsUsed, infraFailures }) => attemptsUsed + infraFailures === 0)).toBe(true);
  });
});
