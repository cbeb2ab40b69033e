import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job, SubmitJob } from '../../contract/job.ts';
import type { AttemptDone } from '../../contract/worker.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { infraBackoff } from '../../domain/retry.ts';
import { silentLog } from '../../platform/log.ts';
import { seededRandom } from '../../platform/random.ts';
import type { Database } from '../../store/database.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';
import { ParentEnds } from './parent-ends.ts';
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
const failed: Partial<AttemptDone> = { exitCode: 3 };

/** Runs the next job to its end, and lets its children hear of it. */
async function runNext(end: Partial<AttemptDone> = {}): Promise<string> {
  const claimed = await worker.run();
  await worker.work({ want: 0, done: [endOf(claimed, end)] });
  await settle();
  return claimed.jobId;
}

describe('when the children of an ended job are told', () => {
  it('and the process dies before that, the next one tells them', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'blixard-together-'));
    const file = join(dir, 'blixard.db');
    try {
      const before = await openControl(2, file);
      const parents = [await before.jobs.submit(trueJob), await before.jobs.submit(trueJob)];
      const after = parents.map(({ id }) => id);
      const child = await before.jobs.submit({ ...trueJob, after });
      const early = await TestWorker.join(before);
      const claimed = [await early.run(), await early.run()];
      await early.work({ want: 0, done: claimed.map((each) => endOf(each)) });
      // Forgotten before it is told: that it completed is not.
      await before.forget.remove(after[0] ?? '');
      expect((await before.queries.get(child.id)).state).toBe('blocked');
      expect(await checkInvariants(before.db)).toEqual([]);
      await before.close();

      const next = await openControl(3, file);
      const watching = watchOf(next);
      watching.start();
      await settle();
      expect((await next.queries.get(child.id)).state).toBe('pending');
      expect(await next.db.query({ sql: 'SELECT parent_id FROM ended_parents' })).toEqual([]);
      expect(await checkInvariants(next.db)).toEqual([]);
      await watching.stop();
      await next.close();
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('and the store fails, they are told when it is back', async () => {
    const parent = await submit();
    const child = await submit({ after: [parent.id] });
    await watch.stop();
    let failures = 3;
    const { db } = control;
    const failing: Database = {
      batch: (statements) => db.batch(statements),
      close: () => db.close(),
      query: async (statement) => {
        if (failures-- > 0) throw new BlixardError('STORE_UNAVAILABLE', { problem: 'gone' });
        return await db.query(statement);
      },
    };
    watch = watchOf({ ...control, parentEnds: new ParentEnds({ ...control, db: failing }) });
    watch.start();
    await settle();
    await runNext();
    expect(await stateOf(child)).toBe('blocked');
    for (let tries = 0; tries < 3; tries++) {
      control.clock.advance(infraBackoff.delayMaxMs);
      await settle();
    }
    expect(await stateOf(child)).toBe('pending');
  });

  it('and it is retried before that, they wait for it again', async () => {
    await watch.stop();
    const parent = await submit();
    const child = await submit({ after: [parent.id] });
    await runNext(failed);
    await control.jobs.retry(parent.id);
    await control.parentEnds.tellAll();
    expect(await stateOf(child)).toBe('blocked');
    await runNext();
    await control.parentEnds.tellAll();
    expect(await stateOf(child)).toBe('pending');
  });

  it('no commit tells more than it may, however many there are', async () => {
    await watch.stop();
    const parent = await submit();
    const count = limits.jobsPerStep + 1;
    const bodies = Array.from({ length: limits.batchJobs }, () => ({ ...trueJob, after: [parent.id] }));
    await control.jobs.submitAll(bodies.slice(0, count));
    await runNext();
    const told = async () => (await control.queueQueries.get('default')).counts;
    expect(await told()).toEqual({ completed: 1, blocked: count });
    const moved: number[] = [];
    const unsubscribe = control.signals.onReady((_queue, _executor, jobs) => moved.push(jobs));
    await control.parentEnds.tellAll();
    unsubscribe();
    expect(moved).toEqual([limits.jobsPerStep, 1]);
    expect(await told()).toEqual({ completed: 1, pending: count });
  });

  it('a chain longer than any stack ends link by link', async () => {
    const ids = Array.from({ length: limits.batchJobs }, () => control.ids());
    const bodies = ids.map((id, index) => ({
      ...trueJob,
      id,
      ...(index === 0 ? {} : { after: [ids[index - 1] ?? ''] }),
    }));
    await control.jobs.submitAll(bodies.reverse());
    await control.jobs.cancel(ids[0] ?? '');
    await control.parentEnds.tellAll();
    expect((await control.queueQueries.get('default')).counts).toEqual({ cancelled: ids.length });
  });
});
