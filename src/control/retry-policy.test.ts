import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../contract/job.ts';
import type { AttemptDone } from '../contract/worker.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from './control.suite.ts';

let control: Control;
let worker: TestWorker;

beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control);
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const oom: Partial<AttemptDone> = { reason: 'oom', exitCode: null };

/** Runs the only job to this end, waits for its back-off; gives the memory the worker was told. */
async function attempt(end: Partial<AttemptDone>): Promise<number | undefined> {
  control.clock.advance(10_000);
  await worker.work({ want: 0 });
  await control.scheduler.tick();
  const [claimed] = await worker.claim();
  if (claimed === undefined) return undefined;
  await worker.start(claimed);
  await worker.work({ want: 0, done: [endOf(claimed, end)] });
  return claimed.spec.memoryMiB;
}

const submit = async (retry: SubmitJob['retry'], body: Partial<SubmitJob> = {}): Promise<string> =>
  (await control.jobs.submit({ ...trueJob, ...body, ...(retry === undefined ? {} : { retry }) })).id;

describe('retries by reason', () => {
  it('give a job that ran out of memory more of it, up to the cap, and tell what each attempt had', async () => {
    const id = await submit({ oom: { attemptsMax: 4, memoryFactor: 2, memoryMiBMax: 400 } });
    expect(await attempt(oom)).toBe(128);
    expect(await control.queries.get(id)).toMatchObject({
      state: 'scheduled',
      memoryMiB: 256,
      spec: { memoryMiB: 128 },
      attemptsUsed: 0,
      attemptsUsedByReason: { oom: 1 },
    });
    expect([await attempt(oom), await attempt(oom), await attempt(oom)]).toEqual([256, 400, 400]);
    expect(await control.queries.get(id)).toMatchObject({ state: 'failed', reason: 'oom', memoryMiB: 400 });
    const attempts = await control.queries.attempts(id);
    expect(attempts.map(({ memoryMiB }) => memoryMiB)).toEqual([128, 256, 400, 400]);
  });

  it('tell the raised memory of an attempt that has not started, and of one that never did', async () => {
    const id = await submit({ oom: { attemptsMax: 2, memoryFactor: 3 } });
    await attempt(oom);
    control.clock.advance(10_000);
    await worker.work({ want: 0 });
    await control.scheduler.tick();
    const [claimed] = await worker.claim();
    expect((await control.queries.attempts(id)).at(-1)).toMatchObject({ state: 'claimed', memoryMiB: 384 });
    const failed = endOf(claimed ?? { jobId: id, attempt: 2 }, { reason: 'vm_boot_failed', exitCode: null });
    await worker.work({ want: 0, done: [failed] });
    expect((await control.queries.attempts(id)).at(-1)).toMatchObject({ state: 'ended', memoryMiB: 384 });
  });

  it('are counted apart from the attempts of all, and a user’s retry begins anew', async () => {
    const id = await submit(
      { timeout: { attemptsMax: 2 }, exit: { backoff: { delayMs: 1 } } },
      { attemptsMax: 2 },
    );
    const timeout = { reason: 'timeout', exitCode: null } as const;
    await attempt({ exitCode: 3 });
    await attempt(timeout);
    expect(await control.queries.get(id)).toMatchObject({
      state: 'scheduled',
      attemptsUsed: 1,
      attemptsUsedByReason: { timeout: 1 },
    });
    await attempt(timeout);
    expect(await control.queries.get(id)).toMatchObject({ state: 'failed', reason: 'timeout', attempt: 3 });
    expect(await control.jobs.retry(id)).toMatchObject({ attemptsUsed: 0, attemptsUsedByReason: {} });
  });

  it('may forbid what attemptsMax allows', async () => {
    const id = await submit({ timeout: { attemptsMax: 1 } }, { attemptsMax: 5 });
    await attempt({ reason: 'timeout', exitCode: null });
    expect((await control.queries.get(id)).state).toBe('failed');
  });

  it('of a redriven job begin with the memory of its spec', async () => {
    const id = await submit({ oom: { attemptsMax: 2, memoryFactor: 2 } });
    await attempt(oom);
    await attempt(oom);
    expect((await control.queries.get(id)).memoryMiB).toBe(256);
    await control.queues.redrive('default', {});
    expect(await control.queries.get(id)).toMatchObject({ state: 'pending', memoryMiB: 128 });
  });

  it('never run a job again that was cancelled', async () => {
    const id = await submit({ signal: { attemptsMax: 50 }, exit: { attemptsMax: 50 } }, { attemptsMax: 50 });
    const running = await worker.run();
    await control.jobs.cancel(id, 'enough', 'ann@desk');
    await worker.work({ want: 0, done: [endOf(running, { reason: 'signal', exitCode: null, signal: 15 })] });
    expect(await control.queries.get(id)).toMatchObject({
      state: 'cancelled',
      cancelReason: 'enough',
      cancelledBy: 'ann@desk',
    });
    expect(await worker.claim()).toEqual([]);
  });

  it('wait as long as was asked for, of all reasons and of one, whatever the cap that nobody gave', async () => {
    const [delayMs, jitter] = [3_600_000, 0];
    const waits = async (body: Partial<SubmitJob>): Promise<number> => {
      const id = await submit(undefined, { attemptsMax: 2, ...body });
      await attempt({ exitCode: 5 });
      const { state, runAtMs } = await control.queries.get(id);
      await control.jobs.cancel(id);
      return state === 'scheduled' ? runAtMs - control.clock.nowMs() : 0;
    };
    expect(await waits({ backoff: { type: 'fixed', delayMs, jitter } })).toBe(delayMs);
    expect(await waits({ backoff: { delayMs, jitter } })).toBe(delayMs);
    expect(await waits({ retry: { exit: { backoff: { delayMs, jitter } } } })).toBe(delayMs);
    // What a rule says goes before what the job says.
    const backoff = { delayMs: 1_000, delayMaxMs: 2_000, jitter };
    expect(await waits({ backoff, retry: { exit: { backoff: { delayMs } } } })).toBe(delayMs);
    expect(await waits({ backoff, retry: { exit: { backoff: { delayMaxMs: 10 } } } })).toBe(10);
  });

  it('refuse a cap below the memory of the first attempt', async () => {
    await expect(submit({ oom: { memoryFactor: 2, memoryMiBMax: 100 } })).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'retry.oom.memoryMiBMax' },
    });
  });
});
