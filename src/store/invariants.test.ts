import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import type { Database } from './database.ts';
import { checkInvariants } from './invariants.suite.ts';
import { migrate } from './migrate.ts';
import { loadMigrations } from './migration-files.ts';
import { openSqlite } from './sqlite/sqlite.ts';
import { insertJob, insertJobData } from './statements/jobs.ts';
import { insertSchedule, insertTriggered, settleRun } from './statements/schedules.ts';
import { claimJobs } from './statements/work.ts';
import { registerWorker } from './statements/workers.ts';

const job = {
  ...{ id: 'j', queue: 'q', executor: 'e', image: 'i', attemptsMax: 1, nowMs: 1 },
  ...{ state: 'pending' as const, priority: 0, runAtMs: 1, expiresAtMs: null, tenant: 'default' },
  ...{ idempotencyKey: null, uniqueKey: null, concurrencyKey: null },
};
const schedule = {
  ...{
    name: 's',
    cron: '@daily',
    timeZone: 'UTC',
    job: '{}',
    catchUp: 'one',
    catchUpMax: 1,
    overlap: 'queue',
  },
  ...{ nextAtMs: 5, nowMs: 1 },
} as const;
const worker = { id: 'w', name: 'n', version: 'v', pid: 1, slots: 1, nowMs: 1, leaseUntilMs: 9 };

describe('the checker of invariants', () => {
  let db: Database;

  beforeEach(async () => {
    db = await openSqlite({ file: ':memory:', clock: new FakeClock(), log: silentLog });
    await migrate(db, await loadMigrations(), 1);
    await db.batch([
      registerWorker.with({ ...worker, queues: '["q"]', executors: '[{"name":"e","unavailable":null}]' }),
      insertJob.with(job),
      insertJobData.with({ id: 'j', spec: '{"labels":{"a":"b"}}' }),
      claimJobs.with({ workerId: 'w', generation: 1, token: 't', want: 1, nowMs: 2 }),
      insertSchedule.with({ ...schedule, paused: 0 }),
      insertTriggered.with({ id: 'r', name: 's', nowMs: 2 }),
      settleRun.with({ id: 'r', outcome: 'fired', message: null, nowMs: 3 }),
    ]);
  });

  afterEach(() => db.close());

  it('finds nothing in a sound store', async () => {
    expect(await checkInvariants(db)).toEqual([]);
  });

  it.each([
    ['DELETE FROM jobs', 'I1: job j was accepted'],
    ['DELETE FROM job_data', 'I1: a job has no spec'],
    ["UPDATE workers SET state = 'offline'", 'I1: a held job has no live worker'],
    ['UPDATE jobs SET ended_at_ms = 5', 'I1: an ended job'],
    ['UPDATE jobs SET claimed_at_ms = NULL', 'I2: a held job has no attempt'],
    ['UPDATE jobs SET worker_generation = NULL', 'I2: a held job has no attempt or no holder'],
    ['UPDATE jobs SET worker_generation = 2', 'I1: a held job has no live worker of its generation'],
    ['UPDATE jobs SET attempt = 2', 'I3: the attempts of a job'],
    [
      `INSERT INTO past_attempts (job_id, attempt, worker_id, worker_generation, claimed_at_ms, ended_at_ms)
       VALUES ('x', 1, 'w', 1, 1, 1)`,
      'I3: an attempt belongs to no job',
    ],
    ["UPDATE jobs SET state = 'running'", 'a running or completed job was never started'],
    ['UPDATE jobs SET attempts_used = 2', 'attempts spent'],
    ['UPDATE queue_counts SET failed = failed + 1', 'counts differ'],
    ["INSERT INTO job_data (seq, spec) VALUES (99, '{}')", 'outlives'],
    ['UPDATE jobs SET waits_for_key = 1', 'a job that is not pending waits'],
    ["UPDATE jobs SET forgotten_at_ms = 3 WHERE id = 'j'", 'I1: job j was forgotten as claimed'],
    ["UPDATE job_labels SET value = 'c'", 'labels differ'],
    [
      "UPDATE jobs SET state = 'running', started_at_ms = 1, expires_at_ms = 1",
      'a job that was started expires',
    ],
    ['DELETE FROM events WHERE seq = 2', 'I9: event 2 is missing'],
    ["UPDATE schedules SET name = 'other'", 'a run belongs to no schedule'],
    ['UPDATE schedules SET fired = 0', 'a schedule has told other numbers'],
    [
      "INSERT INTO events (at_ms, kind, job_id, data) VALUES (1, 'schedule.fired', 'r', '{}')",
      'a run of a schedule has fired more than once',
    ],
    [
      "UPDATE events SET kind = 'job.running' WHERE kind = 'job.claimed'",
      'I9: job j went from pending to running',
    ],
    ["UPDATE jobs SET state = 'blocked'", 'I9: job j went from claimed to blocked'],
  ])('finds what %s has done', async (sql, violation) => {
    await db.batch([{ sql }]);
    expect(await checkInvariants(db)).toContainEqual(expect.stringContaining(violation));
  });

  it('finds a key, and a queue, that held more jobs than allowed, although none holds them any more', async () => {
    const more = { ...job, id: 'k', concurrencyKey: 'tenant' };
    const claim = { workerId: 'w', generation: 1, want: 1, nowMs: 2 };
    await db.batch([
      insertJob.with(more),
      insertJob.with({ ...more, id: 'l' }),
      { sql: "INSERT INTO job_data (seq, spec) SELECT seq, '{}' FROM jobs WHERE id > 'j'" },
      { sql: "INSERT INTO queues (name, paused, concurrency_max, updated_at_ms) VALUES ('q', 0, 3, 1)" },
      claimJobs.with({ ...claim, token: 'u' }),
      claimJobs.with({ ...claim, token: 'v' }),
      { sql: "UPDATE jobs SET state = 'pending', reason = NULL" },
    ]);
    expect(await checkInvariants(db)).toEqual([]);
    // The event tells limits that the claims after it did not keep.
    await db.batch([
      {
        sql: `UPDATE events SET data = '{"queue":"q","concurrencyMax":2,"concurrencyMaxPerKey":1}'
              WHERE kind = 'queue.changed'`,
      },
    ]);
    expect(await checkInvariants(db)).toEqual([
      'I8: queue q held 3 jobs, 2 are allowed',
      'I8: key q tenant held 2 jobs, 1 are allowed',
    ]);
  });
});
