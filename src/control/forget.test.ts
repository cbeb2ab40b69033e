import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import type { JobState } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import { silentLog } from '../platform/log.ts';
import type { Database, Statement } from '../store/database.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { logsLeftOf } from '../store/statements/forget.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from './control.suite.ts';
import { EventFeed } from './events/event-feed.ts';
import { ForgetCommands } from './forget-commands.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
  expect(control.clock.waiting).toBe(0);
});

/** Jobs that have ended so, the oldest first. */
async function ended(
  state: JobState,
  count = 1,
  queue = 'default',
  knownWorker?: TestWorker,
): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push((await control.jobs.submit({ ...trueJob, queue })).id);
  if (state === 'cancelled') for (const id of ids) await control.jobs.cancel(id);
  else {
    const worker = knownWorker ?? (await TestWorker.join(control, { queues: [queue] }));
    const claimed = await worker.claim(count);
    for (const each of claimed) await worker.start(each);
    const exitCode = state === 'completed' ? 0 : 1;
    await worker.work({ want: 0, done: claimed.map((each) => endOf(each, { exitCode })) });
    if (knownWorker === undefined) await control.workers.remove(worker.id);
  }
  return ids;
}

async function isThere(id: string): Promise<boolean> {
  const rows = await control.db.query({ sql: 'SELECT id FROM jobs WHERE id = ?', args: [id] });
  return rows.length === 1;
}

async function rowsIn(table: string): Promise<number> {
  const [row] = await control.db.query({ sql: `SELECT count(*) AS n FROM ${table}` });
  return Number(row?.['n']);
}

/** The store of `control`, which refuses some statements. */
function refusing(isRefused: (statement: Statement) => boolean): Database {
  const pass = (statement: Statement): void => {
    if (isRefused(statement)) throw new BlixardError('STORE_UNAVAILABLE', { problem: 'simulated' });
  };
  return {
    batch: async (statements) => {
      statements.forEach(pass);
      return await control.db.batch(statements);
    },
    query: async (statement) => {
      pass(statement);
      return await control.db.query(statement);
    },
    close: () => control.db.close(),
  };
}

async function advance(ms: number): Promise<void> {
  control.clock.advance(ms);
  for (let turn = 0; turn < 10; turn++) await settle();
}

describe('purge', () => {
  it('takes ended jobs with attempts, data and logs, and leaves what has not ended', async () => {
    const gone = await ended('failed', 2);
    const { id: pending } = await control.jobs.submit(trueJob);
    expect(await control.forget.purge('default', {})).toEqual({ purged: 2, more: false });
    expect(await rowsIn('past_attempts')).toBe(0);
    expect(await rowsIn('job_data')).toBe(1);
    expect(await rowsIn('logs_to_remove')).toBe(0);
    expect([...control.logs.removed].sort()).toEqual([...gone].sort());
    expect(await isThere(pending)).toBe(true);
    await expect(control.queries.get(gone[0] ?? '')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
    expect((await control.queueQueries.get('default')).counts).toEqual({ pending: 1 });
  });

  it('takes only the states and the age that were asked for', async () => {
    const [oldFailed = ''] = await ended('failed');
    const [completed = ''] = await ended('completed');
    control.clock.advance(1_000);
    const [failed = ''] = await ended('failed');
    const body = { states: ['failed' as const], olderThanMs: 1_000 };
    expect(await control.forget.purge('default', body)).toEqual({ purged: 1, more: false });
    expect([await isThere(oldFailed), await isThere(completed), await isThere(failed)]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('does a bounded step and tells that more remain', async () => {
    await ended('cancelled', 3);
    await ended('completed', 2);
    expect(await control.forget.purge('default', { limit: 4 })).toEqual({ purged: 4, more: true });
    expect(await control.forget.purge('default', { limit: 1 })).toEqual({ purged: 1, more: false });
    await ended('cancelled', limits.jobsPerStep + 1);
    expect(await control.forget.purge('default', {})).toEqual({ purged: limits.jobsPerStep, more: true });
  });

  it('removes the logs of jobs that a process forgot before it died', async () => {
    const [id = ''] = await ended('completed');
    const broken = { remove: () => Promise.reject(new Error('the process dies here')) };
    const dying = new ForgetCommands({ ...control, logs: broken });
    await expect(dying.purge('default', {})).rejects.toThrow('dies');
    expect(await isThere(id)).toBe(false);
    control.forgetter.start();
    await advance(0);
    expect(control.logs.removed).toEqual([id]);
    expect(await rowsIn('logs_to_remove')).toBe(0);
  });

  it('leaves no log behind when the store refuses to tell which must go, though nothing else comes due', async () => {
    control.forgetter.start();
    const [id = ''] = await ended('completed');
    await settle();
    const forget = new ForgetCommands({ ...control, db: refusing(({ sql }) => sql === logsLeftOf.sql) });
    await expect(forget.purge('default', {})).rejects.toThrow('simulated');
    await advance(0);
    expect(await isThere(id)).toBe(false);
    expect(control.logs.removed).toEqual([id]);
    expect(await rowsIn('logs_to_remove')).toBe(0);
  });

  it('leaves no log of the states before one that the store refused', async () => {
    const [id = ''] = await ended('completed');
    const db = refusing(({ args }) => args?.includes('failed') === true);
    const forget = new ForgetCommands({ ...control, db });
    await expect(forget.purge('default', { states: ['completed', 'failed'] })).rejects.toThrow('simulated');
    await advance(0);
    expect(await isThere(id)).toBe(false);
    expect(control.logs.removed).toEqual([id]);
    expect(await rowsIn('logs_to_remove')).toBe(0);
  });
});

describe('remove', () => {
  it('takes one ended job, by a start of its id', async () => {
    const [id = ''] = await ended('completed');
    expect(await control.forget.remove(id.slice(0, -2))).toEqual({ id });
    expect(control.logs.removed).toEqual([id]);
    await expect(control.forget.remove(id)).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  });

  it('refuses one that has not ended', async () => {
    const { id } = await control.jobs.submit(trueJob);
    await expect(control.forget.remove(id)).rejects.toMatchObject({
      code: 'JOB_NOT_ENDED',
      details: { state: 'pending' },
    });
  });
});

describe('retention', () => {
  it('is by queue and state, to the millisecond', async () => {
    await control.queues.set('short', { retention: { completedMs: 1_000, failedMs: null } });
    control.forgetter.start();
    const [completed = ''] = await ended('completed', 1, 'short');
    const [failed = ''] = await ended('failed', 1, 'short');
    const [other = ''] = await ended('completed');
    await advance(999);
    expect(await isThere(completed)).toBe(true);
    await advance(1);
    expect(await isThere(completed)).toBe(false);
    expect(await isThere(other)).toBe(true);
    await advance(defaults.retainCompletedMs - 1_000);
    expect(await isThere(other)).toBe(false);
    await advance(10 * defaults.retainFailedMs);
    expect(await isThere(failed)).toBe(true);
  });

  it('that is made shorter holds at once', async () => {
    control.forgetter.start();
    const [id = ''] = await ended('cancelled');
    await advance(5_000);
    await control.queues.set('default', { retention: { cancelledMs: 1_000 } });
    await advance(0);
    expect(await isThere(id)).toBe(false);
  });

  it('does what came due while no process ran', async () => {
    const ids = await ended('cancelled', limits.jobsPerStep + 5);
    control.clock.advance(defaults.retainCancelledMs);
    control.forgetter.start();
    await advance(0);
    expect(await rowsIn('jobs')).toBe(0);
    expect(control.logs.removed).toHaveLength(ids.length);
  });

  it('does not take a job that was retried in time', async () => {
    control.forgetter.start();
    const [id = ''] = await ended('cancelled');
    await advance(1_000);
    await control.jobs.retry(id);
    await advance(defaults.retainCancelledMs);
    expect(await isThere(id)).toBe(true);
  });

  it('runs no statement while nothing is due', async () => {
    control.forgetter.start();
    await ended('completed');
    await settle();
    const before = control.db.stats();
    await advance(defaults.retainCompletedMs - 1);
    expect(control.db.stats()).toEqual(before);
  });

  it('forgets old events from the start on, so that the sequence has no gap', async () => {
    await ended('completed');
    control.clock.advance(defaults.retainEventsMs + 1);
    const { id } = await control.jobs.submit(trueJob);
    await control.forget.forgetDue();
    const { events } = await control.queries.events(id);
    expect(events.map(({ kind }) => kind)).toEqual(['job.submitted']);
    // What was forgotten just now is told by an event as young as the submit.
    const rows = await control.db.query({ sql: 'SELECT kind FROM events ORDER BY seq' });
    expect(rows.map((row) => row['kind'])).toEqual(['job.submitted', 'job.forgotten']);
  });
});

it('keeps events as long as it was told', async () => {
  const retainEventsMs = limits.retainEventsMsMin;
  const forget = new ForgetCommands({ ...control, retainEventsMs });
  await control.jobs.submit(trueJob);
  expect(await forget.shortestRetentionMs()).toBe(retainEventsMs);
  expect(await forget.forgetDue()).toBe(control.clock.nowMs() + retainEventsMs + 1);
  control.clock.advance(retainEventsMs + 1);
  await control.jobs.submit(trueJob);
  await forget.forgetDue();
  // Who follows from what was forgotten goes on with the oldest that is kept.
  const feed = new EventFeed({ db: control.db, commits: control.db, log: silentLog });
  expect((await feed.page({}, 0, 10)).events.map(({ seq }) => seq)).toEqual([2]);
});

describe('of more queues than are looked at together', () => {
  const name = (n: number): string => `q${String(n).padStart(5, '0')}`;
  const last = limits.countsMax + 1;

  it('the last are reached, too', async () => {
    const queues = Array.from({ length: last + 1 }, (_, n) => name(n));
    for (let from = 0; from < queues.length; from += limits.batchJobs) {
      const some = queues.slice(from, from + limits.batchJobs);
      await control.jobs.submitAll(some.map((queue) => ({ ...trueJob, queue, group: 'all' })));
    }
    let more = true;
    while (more) more = (await control.groups.cancel('all')).more;
    // All but the last two keep their jobs for ever; those have no settings.
    await control.db.batch([
      {
        sql: `INSERT INTO queues (name, paused, updated_at_ms)
          SELECT queue, 0, 1 FROM queue_counts WHERE queue > '' AND queue < ?`,
        args: [name(last - 1)],
      },
    ]);
    await ended('cancelled', 1, name(last));
    expect(await control.forget.purge(name(last), { limit: 1 })).toEqual({ purged: 1, more: true });
    control.clock.advance(defaults.retainCancelledMs + 1);
    await control.forget.forgetDue();
    const rows = await control.db.query({ sql: 'SELECT max(queue) AS queue, count(*) AS n FROM jobs' });
    expect(rows).toEqual([{ queue: name(last - 2), n: last - 1 }]);
  }, 30_000);
});

it('the database file does not grow for ever', async () => {
  control.forgetter.start();
  const pages = async (): Promise<number> => {
    const [row] = await control.db.query({ sql: 'SELECT page_count AS n FROM pragma_page_count()' });
    return Number(row?.['n']);
  };
  const worker = await TestWorker.join(control);
  const sizes: number[] = [];
  for (let day = 0; day < 120; day++) {
    await ended('completed', 20, 'default', worker);
    await ended('failed', 5, 'default', worker);
    await advance(86_400_000);
    sizes.push(await pages());
  }
  // A failed job is forgotten after 30 days, what tells that after 30 more: from then on as much goes as comes.
  const largest = (from: number, to: number): number => Math.max(...sizes.slice(from, to));
  // The random ids of jobs leave their trees a little fuller on one day than on another.
  expect(largest(90, 120)).toBeLessThanOrEqual(1.02 * largest(60, 90));
  expect(largest(60, 90)).toBeGreaterThan(2 * (sizes[1] ?? 0));
}, 30_000);
