import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttemptDone } from '../../contract/worker.ts';
import { BlixardError } from '../../domain/errors.ts';
import { infraFailuresMax } from '../../domain/limits.ts';
import { silentLog } from '../../platform/log.ts';
import { seededRandom } from '../../platform/random.ts';
import type { Database, Statement } from '../../store/database.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';
import { WorkerCommands } from '../worker-commands.ts';

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

describe('ends', () => {
  async function endRunning(end: Partial<AttemptDone>, job = {}) {
    const { id } = await control.jobs.submit({ ...trueJob, ...job });
    const running = await worker.run();
    const reply = await worker.work({ want: 0, done: [endOf(running, end)] });
    expect(reply.fenced).toEqual([]);
    return control.queries.get(id);
  }

  it('completes with exit 0 and keeps what is known of VM and usage', async () => {
    const vm = {
      vmId: 'v',
      hypervisor: 'qemu',
      accel: 'tcg',
      start: 'boot',
      bootMs: 1_400,
      image: 'sha256:1',
    };
    const usage = { wallMs: 5, cpuMs: 4, memoryPeakKiB: 1_000 };
    const job = await endRunning({ vm: { ...vm, start: 'boot' }, usage });
    expect(job).toMatchObject({ state: 'completed', reason: 'exit', exitCode: 0, attemptsUsed: 1 });
    expect(await control.queries.attempts(job.id)).toMatchObject([
      { state: 'ended', reason: 'exit', exitCode: 0, vm, usage, startedAtMs: expect.any(Number) },
    ]);
  });

  it('takes the first of two reports of one attempt: a job that has completed runs no second time', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    const givenBack = endOf(running, { reason: null, exitCode: null });
    const { fenced } = await worker.work({ want: 0, done: [endOf(running), givenBack] });
    expect(fenced).toEqual([]);
    expect(await control.queries.get(id)).toMatchObject({ state: 'completed', attempt: 1 });
  });

  it('waits until the worker can try again when that says so', async () => {
    const failed = { reason: 'vm_boot_failed', exitCode: null } as const;
    const job = await endRunning({ ...failed, message: 'starts are stopped', retryInMs: 60_000 });
    expect(job).toMatchObject({ state: 'scheduled', infraFailures: 1, message: 'starts are stopped' });
    expect(job.runAtMs - control.clock.nowMs()).toBeGreaterThanOrEqual(60_000);
    expect(job.runAtMs - control.clock.nowMs()).toBeLessThan(62_000);
    expect((await control.queries.get(job.id)).waiting).toBe(
      'Attempt 1 ended with vm_boot_failed, through no fault of the job; ' +
        `the next may start at ${new Date(job.runAtMs).toISOString()}.`,
    );
  });

  it('fails when the attempts are used up, and tells why', async () => {
    const job = await endRunning({ reason: 'timeout', exitCode: null, signal: 9, message: 'over 5 s' });
    expect(job).toMatchObject({ state: 'failed', reason: 'timeout', signal: 9, message: 'over 5 s' });
    expect(job.endedAtMs).toBe(control.clock.nowMs());
  });

  it('run a job again when the store gave no answer and wrote its end later', async () => {
    const { db, clock, signals, scheduler } = control;
    const late: (readonly Statement[])[] = [];
    let isSlow = false;
    const slow: Database = {
      batch: async (statements) => {
        if (!isSlow) return db.batch(statements);
        late.push(statements);
        throw new BlixardError('STORE_UNAVAILABLE', { problem: 'no answer' });
      },
      query: (statement) => db.query(statement),
      close: () => Promise.resolve(),
    };
    const deps = { db: slow, clock, signals, random: seededRandom(4), log: silentLog };
    const player = await TestWorker.join({ ...control, workers: new WorkerCommands(deps) });
    scheduler.start();
    await settle();
    const backoff = { type: 'fixed', delayMs: 2_000, jitter: 0 } as const;
    const { id } = await control.jobs.submit({ ...trueJob, attemptsMax: 2, backoff });
    const done = [endOf(await player.run(), { exitCode: 3 })];
    isSlow = true;
    await expect(player.work({ done, want: 0 })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    isSlow = false;
    clock.advance(10);
    await settle();
    for (const statements of late) await db.batch(statements);
    expect((await player.work({ done, repeat: true })).fenced).toEqual([]);
    clock.advance(2_000);
    await settle();
    expect(await control.queries.get(id)).toMatchObject({ state: 'pending', attempt: 1 });
    await scheduler.stop();
  });

  it('keeps a message no store could hold', async () => {
    expect(await endRunning({ exitCode: 1, message: 'a\0b\ud800c' })).toMatchObject({
      message: 'a\ufffdb\ufffdc',
    });
  });

  it('schedules the next attempt after the back-off', async () => {
    const backoff = { type: 'fixed', delayMs: 2_000, jitter: 0 } as const;
    const job = await endRunning({ exitCode: 3 }, { attemptsMax: 2, backoff });
    expect(job).toMatchObject({
      state: 'scheduled',
      runAtMs: control.clock.nowMs() + 2_000,
      attemptsUsed: 1,
      exitCode: 3,
      endedAtMs: null,
      workerId: null,
    });
  });

  it('retries infrastructure failures without spending attempts, up to their bound', async () => {
    const { id } = await control.jobs.submit(trueJob);
    for (let failure = 1; failure <= infraFailuresMax; failure++) {
      const [claimed] = await worker.claim();
      if (claimed === undefined) throw new Error(`nothing to claim at failure ${failure}`);
      await worker.work({ want: 0, done: [endOf(claimed, { reason: 'vm_boot_failed', exitCode: null })] });
      control.clock.advance(60_000);
      await control.scheduler.tick();
      await worker.register();
    }
    expect(await control.queries.get(id)).toMatchObject({
      state: 'failed',
      reason: 'vm_boot_failed',
      attemptsUsed: 0,
      infraFailures: infraFailuresMax,
    });
  });

  it('cancels a job whose cancel was asked for, whatever its command did after it', async () => {
    const { id } = await control.jobs.submit({ ...trueJob, attemptsMax: 5 });
    const running = await worker.run();
    await control.jobs.cancel(id);
    await worker.work({ want: 0, done: [endOf(running, { exitCode: 1 })] });
    expect(await control.queries.get(id)).toMatchObject({ state: 'cancelled', reason: 'exit', exitCode: 1 });
  });

  it('sees a cancel that comes between its look and its write', async () => {
    const { id } = await control.jobs.submit({ ...trueJob, attemptsMax: 5 });
    const running = await worker.run();
    const [reply] = await Promise.all([
      worker.work({ want: 0, done: [endOf(running, { exitCode: 1 })] }),
      control.db.batch([{ sql: 'UPDATE jobs SET cancel_requested_at_ms = 1 WHERE id = ?', args: [id] }]),
    ]);
    expect(reply.fenced).toEqual([]);
    expect(await control.queries.get(id)).toMatchObject({ state: 'cancelled' });
  });

  it('takes back a claim that was not started, at no cost', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const [claimed] = await worker.claim();
    if (claimed === undefined) throw new Error('nothing was claimed');
    await worker.work({ want: 0, done: [endOf(claimed, { reason: null, exitCode: null })] });
    expect(await control.queries.get(id)).toMatchObject({
      state: 'pending',
      attempt: 1,
      attemptsUsed: 0,
      infraFailures: 0,
      reason: null,
    });
    expect((await worker.claim())[0]).toMatchObject({ jobId: id, attempt: 2 });
  });

  it('counts a claim given back after all it started as a lost worker', async () => {
    const job = await endRunning({ reason: null, exitCode: null });
    expect(job).toMatchObject({ state: 'pending', reason: 'worker_lost', infraFailures: 1 });
  });

  it('does not believe exit 0 of an attempt that was never started', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const [claimed] = await worker.claim();
    if (claimed === undefined) throw new Error('nothing was claimed');
    expect((await worker.work({ want: 0, done: [endOf(claimed)] })).fenced).toEqual([]);
    expect(await control.queries.get(id)).toMatchObject({ state: 'scheduled', reason: 'internal' });
  });

  describe('of an attempt whose start is told with its end', () => {
    async function endClaimed(end: Partial<AttemptDone>, job = {}) {
      const { id } = await control.jobs.submit({ ...trueJob, expireInMs: 60_000, ...job });
      const [claimed] = await worker.claim();
      if (claimed === undefined) throw new Error('nothing was claimed');
      control.clock.advance(1_000);
      const reply = await worker.work({ want: 0, done: [endOf(claimed, end)] });
      expect(reply.fenced).toEqual([]);
      return control.queries.get(id);
    }

    it('are one step', async () => {
      const startedAtMs = control.clock.nowMs() + 500;
      const usage = { wallMs: 5, cpuMs: 4, memoryPeakKiB: 1_000 };
      const job = await endClaimed({ startedAtMs, usage });
      expect(job).toMatchObject({ state: 'completed', startedAtMs, attemptsUsed: 1, expiresAtMs: null });
      expect(await control.queries.attempts(job.id)).toMatchObject([
        { attempt: 1, state: 'ended', startedAtMs, endedAtMs: job.endedAtMs, reason: 'exit', usage },
      ]);
      const { events } = await control.queries.events(job.id);
      expect(events.map(({ kind }) => kind)).toEqual(['job.submitted', 'job.claimed', 'job.completed']);
      expect(events.at(-1)).toMatchObject({ workerId: worker.id, attempt: 1, data: { from: 'claimed' } });
    });

    it('fail and wait like others', async () => {
      const startedAtMs = control.clock.nowMs() + 500;
      const backoff = { type: 'fixed', delayMs: 2_000, jitter: 0 } as const;
      const job = await endClaimed({ startedAtMs, exitCode: 3, message: 'no' }, { attemptsMax: 2, backoff });
      expect(job).toMatchObject({ state: 'scheduled', attemptsUsed: 1, expiresAtMs: null });
      const first = { attempt: 1, startedAtMs, exitCode: 3, message: 'no', state: 'ended' };
      expect(await control.queries.attempts(job.id)).toMatchObject([first]);
      control.clock.advance(2_000);
      await control.scheduler.tick();
      const again = await worker.run();
      expect(await control.queries.attempts(job.id)).toMatchObject([first, { attempt: 2, state: 'running' }]);
      await worker.work({ want: 0, done: [endOf(again, { reason: 'timeout', exitCode: null })] });
      const failed = { attempt: 2, state: 'ended', reason: 'timeout' };
      await control.jobs.retry(job.id);
      expect(await control.queries.attempts(job.id)).toMatchObject([first, failed]);
      await control.jobs.cancel(job.id);
      expect(await control.queries.attempts(job.id)).toMatchObject([first, failed]);
    });

    it('were not started before their claim, nor in the future', async () => {
      const claimedAtMs = control.clock.nowMs();
      expect(await endClaimed({ startedAtMs: 1 })).toMatchObject({ startedAtMs: claimedAtMs });
      const late = await endClaimed({ startedAtMs: claimedAtMs + 3_600_000 });
      expect(late.startedAtMs).toBe(late.endedAtMs);
    });

    it('keep the start that was told before', async () => {
      const { id } = await control.jobs.submit(trueJob);
      const running = await worker.run();
      const { startedAtMs } = await control.queries.get(id);
      control.clock.advance(1_000);
      await worker.work({ want: 0, done: [endOf(running, { startedAtMs: control.clock.nowMs() })] });
      expect(await control.queries.get(id)).toMatchObject({ state: 'completed', startedAtMs });
    });
  });

  it('tells and counts the ends that are not of this worker', async () => {
    const other = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    const running = await other.run();
    const stranger = { jobId: control.ids(), attempt: 1 };
    const reply = await worker.work({
      waitMs: 10_000,
      done: [endOf(running), endOf(running, { attempt: 2 }), endOf(stranger, { exitCode: 1 })],
    });
    expect(reply.fenced).toEqual([{ jobId: id, attempt: 1 }, { jobId: id, attempt: 2 }, stranger]);
    expect(control.workers.staleWrites).toBe(3);
    expect(await control.queries.get(id)).toMatchObject({ state: 'running', workerId: other.id });
  });

  it('ends many and claims as many in one commit', async () => {
    await Promise.all(Array.from({ length: 200 }, () => control.jobs.submit(trueJob)));
    const running = await worker.claim(100);
    for (const claimed of running) await worker.start(claimed);
    const before = control.db.stats();
    const reply = await worker.work({ want: 100, done: running.map((claimed) => endOf(claimed)) });
    expect(reply.claimed).toHaveLength(100);
    const after = control.db.stats();
    expect(after.commits - before.commits).toBe(1);
    // The ends; the claim and its event; the lease.
    expect(after.statements - before.statements).toBe(4);
    expect(after.queries - before.queries).toBe(0);
  });
});
