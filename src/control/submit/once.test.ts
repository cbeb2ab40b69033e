import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../../contract/job.ts';
import type { UniquePolicy } from '../../contract/submit-options.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const submit = (more: Partial<SubmitJob> = {}) => control.jobs.submit({ ...trueJob, ...more });
const withKey = (policy: UniquePolicy, more: Partial<SubmitJob> = {}) =>
  submit({ ...more, unique: { key: 'nightly', policy } });
const get = (id: string) => control.queries.get(id);
const countOf = async (): Promise<number> => (await control.queries.list({})).jobs.length;
const conflict = { code: 'UNIQUE_CONFLICT' };

describe('an idempotency key', () => {
  it('gives the same job again for the same body, whatever has become of it', async () => {
    const first = await control.jobs.submit({ ...trueJob, priority: 3 }, 'order-7');
    control.clock.advance(1_000);
    expect(await control.jobs.submit({ ...trueJob, priority: 3 }, 'order-7')).toEqual(first);
    await control.jobs.cancel(first.id);
    expect(await control.jobs.submit({ ...trueJob, priority: 3 }, 'order-7')).toMatchObject({
      id: first.id,
      state: 'cancelled',
    });
    expect(await countOf()).toBe(1);
  });

  it('refuses another body, and names the job', async () => {
    const { id } = await control.jobs.submit(trueJob, 'order-7');
    await expect(control.jobs.submit({ ...trueJob, delayMs: 1 }, 'order-7')).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
      details: { key: 'order-7', jobId: id },
    });
    expect((await control.jobs.submit(trueJob, 'order-8')).id).not.toBe(id);
  });

  it('makes one job of many submits at once', async () => {
    const jobs = await Promise.all(Array.from({ length: 50 }, () => control.jobs.submit(trueJob, 'k')));
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(1);
    expect(await countOf()).toBe(1);
  });
});

describe('a unique key', () => {
  it('keeps a second job out until the first has ended, in its queue only', async () => {
    const { id } = await withKey('reject');
    const details = { jobId: id, queue: 'default', key: 'nightly' };
    await expect(withKey('reject')).rejects.toMatchObject({ ...conflict, details });
    await expect(submit({ unique: { key: 'nightly' } })).rejects.toMatchObject({ ...conflict, details });
    expect((await withKey('reject', { queue: 'other' })).state).toBe('pending');
    const worker = await TestWorker.join(control);
    const running = await worker.run();
    await expect(withKey('reject')).rejects.toMatchObject(conflict);
    await worker.work({ want: 0, done: [endOf(running)] });
    expect((await withKey('reject')).id).not.toBe(id);
  });

  it('gives the existing job, also while it runs', async () => {
    const { id } = await withKey('existing');
    expect((await withKey('existing', { command: ['other'] })).id).toBe(id);
    const worker = await TestWorker.join(control);
    await worker.run();
    expect(await withKey('existing')).toMatchObject({ id, state: 'running' });
  });

  it('replaces a job that waits, and tells why it was cancelled', async () => {
    const old = await withKey('replace', { delayMs: 5_000 });
    const ended = control.queries.waitEnded(old.id, 5_000, new AbortController().signal);
    await settle();
    const next = await withKey('replace', { command: ['newer'] });
    expect(next).toMatchObject({ state: 'pending', spec: { command: ['newer'] } });
    expect(await ended).toMatchObject({
      state: 'cancelled',
      cancelReason: `replaced by job ${next.id}`,
      cancelledBy: 'unique policy',
    });
  });

  it('replaces nothing once a worker has the job, nor for a job that cannot be stored', async () => {
    const worker = await TestWorker.join(control, { images: [{ name: 'base', digest: 'sha256:1' }] });
    const { id } = await withKey('replace');
    await expect(withKey('replace', { image: 'absent' })).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' });
    expect((await get(id)).state).toBe('pending');
    await worker.claim();
    await expect(withKey('replace')).rejects.toMatchObject({ ...conflict, details: { jobId: id } });
    expect((await get(id)).state).toBe('claimed');
  });

  it('gives the replacing job again when its answer was lost', async () => {
    await withKey('replace');
    const id = control.ids();
    const next = await withKey('replace', { id });
    expect(await withKey('replace', { id })).toEqual(next);
  });

  it('debounces: each submit moves the start, and its expiry, until nothing has come for the delay', async () => {
    control.scheduler.start();
    await settle();
    const first = await withKey('debounce', { delayMs: 1_000, expireInMs: 500 });
    for (let n = 0; n < 5; n++) {
      control.clock.advance(900);
      await settle();
      const moved = await withKey('debounce', { delayMs: 1_000, command: ['later'] });
      const runAtMs = control.clock.nowMs() + 1_000;
      expect(moved).toMatchObject({ id: first.id, state: 'scheduled', runAtMs, spec: first.spec });
      expect(moved.expiresAtMs).toBe(runAtMs + 500);
    }
    control.clock.advance(1_000);
    await settle();
    expect((await get(first.id)).state).toBe('pending');
    expect(await withKey('debounce', { delayMs: 1_000 })).toMatchObject({ id: first.id, state: 'scheduled' });
    expect(await countOf()).toBe(1);
  });

  it('debounced while it waits for a VM again, a job expires as long after its new start as it asked for', async () => {
    control.scheduler.start();
    const worker = await TestWorker.join(control);
    const { id } = await withKey('debounce', { expireInMs: 30_000 });
    const [claimed] = await worker.claim();
    const failed = { reason: 'vm_boot_failed', exitCode: null, retryInMs: 60_000 } as const;
    if (claimed !== undefined) await worker.work({ want: 0, done: [endOf(claimed, failed)] });
    control.clock.advance(10_000);
    await withKey('debounce');
    const expiresAtMs = control.clock.nowMs() + 30_000;
    await settle();
    expect(await get(id)).toMatchObject({ state: 'pending', expiresAtMs });
  });

  it('debounces nothing once a worker has the job', async () => {
    const { id } = await withKey('debounce');
    await (await TestWorker.join(control)).claim();
    await expect(withKey('debounce', { delayMs: 5 })).rejects.toMatchObject({
      ...conflict,
      details: { jobId: id },
    });
  });

  it('is not taken back by a retry while another has it', async () => {
    const first = await withKey('reject');
    await control.jobs.cancel(first.id);
    const second = await withKey('reject');
    await expect(control.jobs.retry(first.id)).rejects.toMatchObject({
      ...conflict,
      details: { jobId: second.id, key: 'nightly' },
    });
    await control.jobs.cancel(second.id);
    expect(await control.jobs.retry(first.id)).toMatchObject({ state: 'pending' });
    await expect(withKey('reject')).rejects.toMatchObject(conflict);
  });

  it.each(['reject', 'existing', 'replace', 'debounce'] as const)(
    'leaves exactly one job of fifty submits at once with %s, also beside claims',
    async (policy) => {
      const worker = await TestWorker.join(control);
      const results = await Promise.allSettled(
        Array.from({ length: 50 }, (_, n) => (n === 25 ? worker.claim() : withKey(policy))),
      );
      const { jobs } = await control.queries.stats();
      const open = jobs
        .filter(({ state }) => state !== 'cancelled')
        .reduce((sum, { count }) => sum + count, 0);
      expect(open).toBe(1);
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toMatchObject(conflict);
      const stored = await countOf();
      if (policy !== 'replace') expect(stored).toBe(1);
      else expect(stored).toBe(results.filter(({ status }) => status === 'fulfilled').length - 1);
    },
  );
});
