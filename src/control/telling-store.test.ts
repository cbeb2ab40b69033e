import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlixardError } from '../domain/errors.ts';
import { silentLog } from '../platform/log.ts';
import { seededRandom } from '../platform/random.ts';
import type { Database } from '../store/database.ts';
import { type Control, openControl, settle, TestWorker, trueJob } from './control.suite.ts';
import { JobCommands } from './job-commands.ts';
import { followLogs } from './logs/follow.ts';
import { LogStore } from './logs/log-store.ts';
import { Scheduler } from './scheduler.ts';
import { tellingStore } from './telling-store.ts';

/** Commits, and says of all writes but the first `known` that it does not know. */
function losingAnswers(db: Database, known = 0): Database {
  let writes = 0;
  return {
    batch: async (statements) => {
      const results = await db.batch(statements);
      if (writes++ < known) return results;
      throw new BlixardError('STORE_UNAVAILABLE', { problem: 'the answer was lost' });
    },
    query: (statement, options) => db.query(statement, options),
    close: () => db.close(),
  };
}

it('a job whose submit was not answered is due at its time all the same', async () => {
  const control = await openControl();
  const scheduler = new Scheduler({ ...control, random: seededRandom(1), log: silentLog });
  scheduler.start();
  await settle();
  const db = tellingStore(losingAnswers(control.db), control);
  const jobs = new JobCommands({ ...control, db });
  const id = control.ids();
  await expect(jobs.submit({ ...trueJob, id, delayMs: 60_000 })).rejects.toThrow('the answer was lost');
  await settle();
  expect((await control.queries.get(id)).state).toBe('scheduled');
  control.clock.advance(60_000);
  await settle();
  expect((await control.queries.get(id)).state).toBe('pending');
  await scheduler.stop();
  await control.close();
});

describe('a job made ready by a write that was not answered', () => {
  let control: Control;
  let worker: TestWorker;
  let id: string;

  beforeEach(async () => {
    control = await openControl();
    worker = await TestWorker.join(control);
    ({ id } = await control.jobs.submit({ ...trueJob, delayMs: 50_000 }));
  });

  afterEach(() => control.close());

  /** The job becomes due; what expires comes first, and is answered. */
  async function promoteUnanswered(): Promise<void> {
    const db = tellingStore(losingAnswers(control.db, 1), control);
    const scheduler = new Scheduler({ ...control, db, random: seededRandom(1), log: silentLog });
    control.clock.advance(50_000);
    await expect(scheduler.tick()).rejects.toThrow('the answer was lost');
    expect((await control.queries.get(id)).state).toBe('pending');
  }

  it('wakes who waits for jobs', async () => {
    const waiting = worker.work({ waitMs: 60_000 });
    await settle();
    await promoteUnanswered();
    expect((await waiting).claimed).toMatchObject([{ jobId: id }]);
  });

  it('is found by a worker that had found nothing before it', async () => {
    expect(await worker.claim()).toEqual([]);
    await promoteUnanswered();
    expect(await worker.claim()).toMatchObject([{ jobId: id }]);
  });
});

describe('the end of a job whose cancel was not answered', () => {
  const group = 'night';
  const { signal } = new AbortController();
  let control: Control;
  let id: string;

  beforeEach(async () => {
    control = await openControl();
    ({ id } = await control.jobs.submit({ ...trueJob, delayMs: 3_600_000, group }));
  });

  afterEach(async () => {
    expect(control.clock.waiting).toBe(0);
    await control.close();
  });

  async function cancelUnanswered(jobId: string): Promise<void> {
    const db = tellingStore(losingAnswers(control.db), control);
    await expect(new JobCommands({ ...control, db }).cancel(jobId)).rejects.toThrow('the answer was lost');
    await settle();
  }

  it('is seen by who waits for it', async () => {
    const waiting = control.queries.waitEnded(id, 60_000, signal);
    await settle();
    await cancelUnanswered(id);
    expect((await waiting).state).toBe('cancelled');
  });

  it('is seen by who waits for its group', async () => {
    const waiting = control.groups.waitFinished(group, 60_000, signal);
    await settle();
    await cancelUnanswered(id);
    expect(await waiting).toMatchObject({ finished: true });
  });

  it('is seen by who follows its logs', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'blixard-telling-'));
    const logs = new LogStore({ dir, keepBytes: 1024 });
    const gone = new AbortController();
    const place = { attempt: 1, offset: 0 };
    const events = followLogs({ ...control, logs }, id, place, gone.signal);
    await events.next();
    const next = events.next();
    await settle();
    await cancelUnanswered(id);
    control.clock.advance(60_000);
    expect((await next).value).toMatch(/^event: end/);
    gone.abort();
    await events.return(undefined);
    await logs.close();
    await rm(dir, { recursive: true });
  });

  it('ends no wait for another job, which goes on to the end of that', async () => {
    const other = await control.jobs.submit({ ...trueJob, delayMs: 3_600_000 });
    let answers = 0;
    const waiting = control.queries.waitEnded(other.id, 60_000, signal).finally(() => answers++);
    await settle();
    control.clock.advance(40_000);
    await cancelUnanswered(id);
    expect(answers).toBe(0);
    control.clock.advance(20_000);
    expect((await waiting).state).toBe('scheduled');
  });
});
