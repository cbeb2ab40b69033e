import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from './control.suite.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

describe('submit', () => {
  it('stores the job with every default filled in', async () => {
    const job = await control.jobs.submit(trueJob);
    expect(job).toMatchObject({ state: 'pending', attempt: 0, createdAtMs: control.clock.nowMs() });
    expect(job.spec).toMatchObject({ command: ['true'], image: 'base', queue: 'default', attemptsMax: 1 });
    expect(await control.queries.get(job.id)).toEqual({ ...job, waiting: expect.any(String) });
  });

  it('gives the same job for the same id and spec, and tells of it once', async () => {
    const id = control.ids();
    const first = await control.jobs.submit({ ...trueJob, id, env: { A: '1', B: '2' } });
    control.clock.advance(1_000);
    const again = await control.jobs.submit({ ...trueJob, id, env: { B: '2', A: '1' } });
    expect(again).toEqual(first);
    expect((await control.queries.events(id)).events.map(({ kind }) => kind)).toEqual(['job.submitted']);
  });

  it('keeps two submits of one id, sent at the same time, to one job', async () => {
    const id = control.ids();
    const both = await Promise.all([1, 2].map(() => control.jobs.submit({ ...trueJob, id })));
    expect(both[0]).toEqual(both[1]);
    expect((await control.queries.list({})).jobs).toHaveLength(1);
  });

  it('refuses another spec under the same id', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const other = control.jobs.submit({ id, command: ['false'] });
    await expect(other).rejects.toMatchObject({ code: 'JOB_ID_CONFLICT', details: { jobId: id } });
  });

  it('takes a spec of the greatest size and refuses one byte more', async () => {
    const empty = JSON.stringify((await control.jobs.submit({ command: ['true', ''] })).spec);
    const room = limits.jobSpecBytes - Buffer.byteLength(empty);
    const fits = await control.jobs.submit({ command: ['true', 'x'.repeat(room)] });
    expect(fits.state).toBe('pending');
    await expect(control.jobs.submit({ command: ['true', 'x'.repeat(room + 1)] })).rejects.toMatchObject({
      code: 'SPEC_TOO_LARGE',
      details: { bytes: limits.jobSpecBytes + 1, maxBytes: limits.jobSpecBytes },
    });
  });

  it('takes standard input up to its own limit, which does not count against the spec', async () => {
    const stdinBase64 = Buffer.alloc(limits.stdinBytes).toString('base64');
    expect((await control.jobs.submit({ ...trueJob, stdinBase64 })).state).toBe('pending');
  });

  it('takes any image while no worker has told its images, then only those told', async () => {
    expect((await control.jobs.submit({ ...trueJob, image: 'exotic' })).state).toBe('pending');
    await TestWorker.join(control, { images: [{ name: 'base:latest', digest: 'sha256:1' }] });
    await TestWorker.join(control, { images: [{ name: 'tools:v2', digest: 'sha256:2' }] });
    for (const image of ['base', 'base:latest', 'tools:v2'])
      expect((await control.jobs.submit({ ...trueJob, image })).state).toBe('pending');
    await expect(control.jobs.submit({ ...trueJob, image: 'tools' })).rejects.toMatchObject({
      code: 'IMAGE_UNKNOWN',
      details: { image: 'tools', known: 'base:latest, tools:v2' },
    });
  });

  it('gives the same job again although its image is known no more', async () => {
    const id = control.ids();
    const job = await control.jobs.submit({ ...trueJob, id, image: 'exotic' });
    await TestWorker.join(control, { images: [{ name: 'base', digest: 'sha256:1' }] });
    expect(await control.jobs.submit({ ...trueJob, id, image: 'exotic' })).toEqual(job);
  });
});

describe('cancel', () => {
  it('ends a pending job at once', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const job = await control.jobs.cancel(id, 'not needed', 'ann@desk');
    expect(job).toMatchObject({ state: 'cancelled', reason: 'cancelled', cancelReason: 'not needed' });
    expect(job).toMatchObject({ cancelledBy: 'ann@desk', endedAtMs: control.clock.nowMs() });
    const told = (await control.queries.events(id)).events.filter(
      ({ kind }) => kind === 'job.cancel_requested',
    );
    expect(told.map(({ data }) => data)).toEqual([{ reason: 'not needed', by: 'ann@desk' }]);
  });

  it('ends a job that is due later at once', async () => {
    const { id } = await control.jobs.submit({ ...trueJob, delayMs: 60_000 });
    expect(await control.jobs.cancel(id)).toMatchObject({ state: 'cancelled', cancelledBy: null });
    control.clock.advance(60_000);
    await control.scheduler.tick();
    expect((await control.queries.get(id)).state).toBe('cancelled');
  });

  it('ends a claimed job at once; its worker cannot start it', async () => {
    const worker = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    const [claimed] = await worker.claim();
    expect(await control.jobs.cancel(id)).toMatchObject({ state: 'cancelled', workerId: worker.id });
    await expect(worker.start(endOf(claimed ?? { jobId: id, attempt: 1 }))).rejects.toMatchObject({
      code: 'FENCED',
    });
    expect(await control.queries.attempts(id)).toMatchObject([{ state: 'ended', reason: 'cancelled' }]);
  });

  it('asks the worker of a running job to stop it; asking again changes nothing', async () => {
    const worker = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    const asked = await control.jobs.cancel(id, 'enough', 'ann@desk');
    expect(asked).toMatchObject({ state: 'running', cancelReason: 'enough', cancelledBy: 'ann@desk' });
    control.clock.advance(10);
    expect(await control.jobs.cancel(id, 'again', 'bob@desk')).toEqual(asked);
    const reply = await worker.work({ want: 0, waitMs: 1_000 });
    expect(reply.cancel).toEqual([{ jobId: id, attempt: running.attempt }]);
    await worker.work({
      want: 0,
      done: [endOf(running, { reason: 'cancelled', exitCode: null, signal: 15 })],
    });
    expect(await control.queries.get(id)).toMatchObject({
      state: 'cancelled',
      reason: 'cancelled',
      signal: 15,
    });
  });

  it('gives the job as it was cancelled when it is asked again, and tells of it once', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const cancelled = await control.jobs.cancel(id, 'enough', 'ann@desk');
    control.clock.advance(10);
    expect(await control.jobs.cancel(id, 'again', 'bob@desk')).toEqual(cancelled);
    const { events } = await control.queries.events(id);
    expect(events.filter(({ kind }) => kind === 'job.cancelled')).toHaveLength(1);
  });

  it('refuses a job that ended otherwise and names what is allowed', async () => {
    const worker = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    await worker.work({ want: 0, done: [endOf(await worker.run(), { exitCode: 1 })] });
    await expect(control.jobs.cancel(id)).rejects.toMatchObject({
      code: 'JOB_INVALID_TRANSITION',
      details: { jobId: id, from: 'failed', to: 'cancelled', allowed: 'blocked, scheduled, pending' },
    });
  });

  it('refuses an unknown job', async () => {
    await expect(control.jobs.cancel(control.ids())).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
    await expect(control.jobs.cancel('abc')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  });

  it('tells who waits for the job', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const waiting = control.queries.waitEnded(id, 10_000, new AbortController().signal);
    await settle();
    await control.jobs.cancel(id);
    expect(await waiting).toMatchObject({ state: 'cancelled' });
    expect(control.clock.waiting).toBe(0);
  });
});

describe('retry', () => {
  async function failedJob(worker: TestWorker): Promise<string> {
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    await worker.work({ want: 0, done: [endOf(running, { exitCode: 3 })] });
    return id;
  }

  it('runs a failed job again as its next attempt, with all attempts allowed anew', async () => {
    const worker = await TestWorker.join(control);
    const id = await failedJob(worker);
    expect(await control.queries.get(id)).toMatchObject({ state: 'failed', exitCode: 3, attemptsUsed: 1 });
    expect(await control.jobs.retry(id)).toMatchObject({
      state: 'pending',
      attempt: 1,
      attemptsUsed: 0,
      reason: null,
      exitCode: null,
      startedAtMs: null,
      endedAtMs: null,
      workerId: null,
    });
    const running = await worker.run();
    expect(running.attempt).toBe(2);
    await worker.work({ want: 0, done: [endOf(running)] });
    expect(await control.queries.get(id)).toMatchObject({ state: 'completed', attempt: 2, attemptsUsed: 1 });
  });

  it('waits for the delay', async () => {
    const { id } = await control.jobs.submit(trueJob);
    await control.jobs.cancel(id);
    const job = await control.jobs.retry(id, 5_000);
    expect(job).toMatchObject({ state: 'scheduled', runAtMs: control.clock.nowMs() + 5_000 });
    expect(job).toMatchObject({ cancelReason: null, cancelledBy: null });
  });

  it('that comes again because its answer was lost is not done twice, whatever became of the job', async () => {
    const worker = await TestWorker.join(control);
    const id = await failedJob(worker);
    const once = { idempotencyKey: 'k', attempt: 1 };
    const [first, same] = await Promise.all([1, 2].map(() => control.jobs.retry(id, 0, once)));
    expect(first).toMatchObject({ state: 'pending', attempt: 1 });
    expect(same).toEqual(first);
    const again = await worker.run();
    expect(await control.jobs.retry(id, 0, once)).toMatchObject({ state: 'running', attempt: 2 });
    await worker.work({ want: 0, done: [endOf(again, { exitCode: 3 })] });
    expect(await control.jobs.retry(id, 0, once)).toMatchObject({ state: 'failed', attempt: 2 });
    const next = await control.jobs.retry(id, 0, { idempotencyKey: 'l' });
    expect(next).toMatchObject({ state: 'pending', attempt: 2 });
    await control.jobs.cancel(id);
    expect(await control.jobs.retry(id, 0, { idempotencyKey: 'l' })).toMatchObject({ state: 'cancelled' });
    // Without a key it cannot be told from another retry.
    expect(await control.jobs.retry(id)).toMatchObject({ state: 'pending' });
    expect(await control.jobs.retry(id, 0, { idempotencyKey: 'l' })).toMatchObject({ state: 'pending' });
  });

  it('of another attempt than the newest is refused', async () => {
    const worker = await TestWorker.join(control);
    const id = await failedJob(worker);
    const changed = { code: 'JOB_CHANGED', details: { jobId: id, found: 1, attempt: 2 } };
    await expect(control.jobs.retry(id, 0, { attempt: 2, idempotencyKey: 'k' })).rejects.toMatchObject(
      changed,
    );
    await control.jobs.retry(id, 0, { attempt: 1 });
    const again = await worker.run();
    await expect(control.jobs.retry(id, 0, { attempt: 1 })).rejects.toThrow('is 2, not 1');
    await worker.work({ want: 0, done: [endOf(again, { exitCode: 3 })] });
    await expect(control.jobs.retry(id, 0, { attempt: 1 })).rejects.toThrow('is 2, not 1');
    const unstarted = await control.jobs.submit(trueJob);
    await control.jobs.cancel(unstarted.id);
    expect(await control.jobs.retry(unstarted.id, 0, { attempt: 0 })).toMatchObject({ state: 'pending' });
  });

  it('refuses a job that has not ended, and one that completed', async () => {
    const worker = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    const refused = { code: 'JOB_INVALID_TRANSITION' };
    await expect(control.jobs.retry(id)).rejects.toMatchObject({ ...refused, details: { from: 'pending' } });
    const running = await worker.run();
    await expect(control.jobs.retry(id)).rejects.toMatchObject({
      ...refused,
      details: { from: 'running', to: 'pending', allowed: 'cancelled' },
    });
    await worker.work({ want: 0, done: [endOf(running)] });
    await expect(control.jobs.retry(id)).rejects.toMatchObject({
      ...refused,
      details: { from: 'completed', to: 'pending', allowed: 'none' },
    });
  });
});
