import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job, SubmitJob } from '../../contract/job.ts';
import type { AttemptDone } from '../../contract/worker.ts';
import { silentLog } from '../../platform/log.ts';
import { seededRandom } from '../../platform/random.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';
import { ParentWatch } from './parent-watch.ts';

const watchOf = (parts: Pick<Control, 'parentEnds' | 'clock' | 'signals'>): ParentWatch =>
  new ParentWatch({ ...parts, random: seededRandom(1), log: silentLog });

let control: Control;
let worker: TestWorker;
let watch: ParentWatch;
beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control);
  watch = watchOf(control);
  watch.start();
});
afterEach(async () => {
  await watch.stop();
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const submit = (more: Partial<SubmitJob> = {}): Promise<Job> => control.jobs.submit({ ...trueJob, ...more });
const stateOf = async ({ id }: { id: string }) => (await control.queries.get(id)).state;
const statesOf = (jobs: readonly { id: string }[]) => Promise.all(jobs.map(stateOf));
const failed: Partial<AttemptDone> = { exitCode: 3 };

/** Runs the next job to its end, and lets its children hear of it. */
async function runNext(end: Partial<AttemptDone> = {}): Promise<string> {
  const claimed = await worker.run();
  await worker.work({ want: 0, done: [endOf(claimed, end)] });
  await settle();
  return claimed.jobId;
}

describe('a job that runs after others', () => {
  it('of a diamond starts when all before it have completed', async () => {
    const top = await submit();
    const left = await submit({ after: [top.id] });
    const right = await submit({ after: [top.id] });
    const bottom = await submit({ after: [left.id, right.id] });
    expect(await statesOf([top, left, right, bottom])).toEqual(['pending', 'blocked', 'blocked', 'blocked']);
    expect((await control.queries.get(bottom.id)).waiting).toBe(
      `It runs after ${left.id} (blocked), ${right.id} (blocked).`,
    );
    expect(await runNext()).toBe(top.id);
    expect(await statesOf([left, right, bottom])).toEqual(['pending', 'pending', 'blocked']);
    expect(await runNext()).toBe(left.id);
    expect(await stateOf(bottom)).toBe('blocked');
    expect(await runNext()).toBe(right.id);
    expect(await runNext()).toBe(bottom.id);
    expect(await stateOf(bottom)).toBe('completed');
    const { jobs } = await control.queries.children(top.id);
    expect(jobs.map(({ id }) => id)).toEqual([left.id, right.id]);
    const page = await control.queries.children(top.id, { limit: 1 });
    expect((await control.queries.children(top.id, { cursor: page.nextCursor ?? '' })).jobs[0]?.id).toBe(
      right.id,
    );
  });

  it('is given at once to a worker that waits for jobs', async () => {
    const parent = await submit();
    const child = await submit({ after: [parent.id] });
    const claimed = await worker.run();
    const other = await TestWorker.join(control);
    const waiting = other.work({ want: 1, waitMs: 60_000 });
    await settle();
    await worker.work({ want: 0, done: [endOf(claimed)] });
    expect((await waiting).claimed.map(({ jobId }) => jobId)).toEqual([child.id]);
  });

  it('counts a job that has ended before, and starts in the write that stores it', async () => {
    const parent = await submit();
    await runNext();
    expect((await submit({ after: [parent.id] })).state).toBe('pending');
    const later = await submit({ after: [parent.id], delayMs: 5_000 });
    expect(later.state).toBe('scheduled');
  });

  it('waits for its own time, too, and takes its place in the line when it is released', async () => {
    const parent = await submit();
    const later = await submit({ after: [parent.id], delayMs: 10_000 });
    const next = await submit({ after: [parent.id] });
    control.clock.advance(1_000);
    await runNext();
    expect(await stateOf(later)).toBe('scheduled');
    expect((await control.queries.get(next.id)).runAtMs).toBe(control.clock.nowMs());
    control.clock.advance(9_000);
    await control.scheduler.tick();
    expect(await stateOf(later)).toBe('pending');
  });

  it.each([
    [undefined, 'failed', 'parent_failed'],
    ['fail', 'failed', 'parent_failed'],
    ['skip', 'cancelled', 'skipped'],
  ] as const)(
    'with the policy %s ends when its parent fails, and so do its own children',
    async (policy, state, reason) => {
      const parent = await submit();
      const child = await submit({
        after: [parent.id],
        ...(policy === undefined ? {} : { afterFailed: policy }),
      });
      const grandchild = await submit({ after: [child.id] });
      await runNext(failed);
      const message = `It was to run after job ${parent.id}, which failed.`;
      expect(await control.queries.get(child.id)).toMatchObject({
        state,
        reason,
        message,
        attempt: 0,
        exitCode: null,
      });
      const end = state === 'failed' ? 'parent_failed' : 'parent_cancelled';
      expect(await control.queries.get(grandchild.id)).toMatchObject({ state, reason: end });
      // One that comes later fares the same.
      expect(await submit({ ...child.spec })).toMatchObject({ state, reason });
    },
  );

  it('with the policy run does not care how its parents end', async () => {
    const parents = [await submit(), await submit()];
    const child = await submit({ after: parents.map(({ id }) => id), afterFailed: 'run' });
    await runNext(failed);
    expect(await stateOf(child)).toBe('blocked');
    await control.jobs.cancel(parents[1]?.id ?? '');
    await settle();
    expect(await runNext()).toBe(child.id);
  });

  it('is cancelled with its parent, and does not wait for the others', async () => {
    const [one, two] = [await submit(), await submit()];
    const child = await submit({ after: [one.id, two.id] });
    await control.jobs.cancel(one.id, 'no more');
    await settle();
    expect(await control.queries.get(child.id)).toMatchObject({
      state: 'cancelled',
      reason: 'parent_cancelled',
      message: `It was to run after job ${one.id}, which was cancelled.`,
    });
    await runNext();
    expect(await stateOf(child)).toBe('cancelled');
  });

  it('expires while it waits', async () => {
    const parent = await submit();
    const child = await submit({ after: [parent.id], expireInMs: 5_000 });
    control.clock.advance(5_000);
    await control.scheduler.tick();
    expect(await control.queries.get(child.id)).toMatchObject({ state: 'failed', reason: 'expired' });
    await runNext();
  });

  it('can be cancelled while it waits, and its children with it', async () => {
    const parent = await submit();
    const child = await submit({ after: [parent.id] });
    const grandchild = await submit({ after: [child.id] });
    expect((await control.jobs.cancel(child.id)).state).toBe('cancelled');
    await settle();
    expect(await stateOf(grandchild)).toBe('cancelled');
    expect(await stateOf(parent)).toBe('pending');
  });

  it('stays ended when its parent is retried; retried itself, it waits for that parent', async () => {
    const parent = await submit();
    const child = await submit({ after: [parent.id] });
    await runNext(failed);
    await control.jobs.retry(parent.id);
    expect(await stateOf(child)).toBe('failed');
    expect((await control.jobs.retry(child.id)).state).toBe('blocked');
    expect(await runNext()).toBe(parent.id);
    expect(await runNext()).toBe(child.id);
  });

  it('retried while its parent stays failed runs all the same', async () => {
    const parent = await submit();
    const child = await submit({ after: [parent.id] });
    await runNext(failed);
    expect((await control.jobs.retry(child.id)).state).toBe('pending');
    expect(await runNext()).toBe(child.id);
    expect(await statesOf([parent, child])).toEqual(['failed', 'completed']);
  });

  it.each(['all', 'named'])('redriven with its parent (%s) runs after it', async (how) => {
    const parent = await submit();
    const child = await submit({ after: [parent.id] });
    await runNext(failed);
    const ids = how === 'all' ? {} : { ids: [child.id, parent.id] };
    expect((await control.queues.redrive('default', ids)).redriven).toBe(2);
    expect(await statesOf([parent, child])).toEqual(['pending', 'blocked']);
    await runNext();
    expect(await runNext()).toBe(child.id);
  });

  it('keeps its unique key, and can be replaced and debounced while it waits', async () => {
    const parent = await submit();
    const unique = { key: 'k', policy: 'replace' } as const;
    const first = await submit({ after: [parent.id], unique });
    await expect(submit({ unique: { key: 'k' } })).rejects.toMatchObject({ code: 'UNIQUE_CONFLICT' });
    const second = await submit({ after: [parent.id], unique });
    expect(await statesOf([first, second])).toEqual(['cancelled', 'blocked']);
    const moved = await submit({ unique: { key: 'k', policy: 'debounce' }, delayMs: 7_000 });
    expect(moved).toMatchObject({ id: second.id, state: 'blocked', runAtMs: control.clock.nowMs() + 7_000 });
    const debounced = await submit({ after: [parent.id], unique: { key: 'k', policy: 'debounce' } });
    expect(debounced).toMatchObject({ id: second.id, state: 'blocked' });
  });

  it('keeps to the limit of its concurrency key when it is released', async () => {
    await control.queues.set('default', { concurrencyMaxPerKey: 1 });
    const parent = await submit();
    for (let n = 0; n < 3; n++) await submit({ after: [parent.id], concurrencyKey: 'k' });
    await runNext();
    expect(await worker.claim(3)).toHaveLength(1);
  });

  it('is the same job for the same id or idempotency key, after its parent was forgotten, too', async () => {
    const parent = await submit();
    const body = { ...trueJob, id: control.ids(), after: [parent.id] };
    const child = await control.jobs.submit(body, 'key');
    await runNext();
    await control.forget.remove(parent.id);
    expect((await control.jobs.submit(body)).id).toBe(child.id);
    expect((await control.jobs.submit({ ...trueJob, after: [parent.id] }, 'key')).id).toBe(child.id);
  });

  it('is refused when a job before it is not there, or is itself', async () => {
    const [id, parentId] = [control.ids(), control.ids()];
    await expect(submit({ after: [parentId] })).rejects.toMatchObject({
      code: 'PARENT_UNKNOWN',
      message: `There is no job ${parentId} to run after.`,
    });
    await expect(submit({ id, after: [id] })).rejects.toMatchObject({ code: 'JOB_CYCLE' });
    await expect(submit({ afterFailed: 'run' })).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
    const holder = await submit({ unique: { key: 'k' } });
    const replacing = submit({ after: [parentId], unique: { key: 'k', policy: 'replace' } });
    await expect(replacing).rejects.toMatchObject({ code: 'PARENT_UNKNOWN' });
    expect(await stateOf(holder)).toBe('pending');
  });
});
