import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { FakeClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import type { Database, Statement } from '../database.ts';
import { checkInvariants } from '../invariants.suite.ts';
import { migrate } from '../migrate.ts';
import { loadMigrations } from '../migration-files.ts';
import { openSqlite } from '../sqlite/sqlite.ts';
import { tellClaimed } from '../statements/claimed.ts';
import { insertJob, insertJobData } from '../statements/jobs.ts';
import { insertSchedule, insertTriggered, settleRun } from '../statements/schedules.ts';
import { claimJobs } from '../statements/work.ts';
import { registerWorker } from '../statements/workers.ts';
import { Findings } from './findings.ts';
import { rules } from './rules.ts';
import { verifyStore } from './verify-store.ts';

const job = {
  ...{ id: 'j', queue: 'q', executor: 'e', image: 'i', attemptsMax: 1, nowMs: 1 },
  ...{ state: 'pending' as const, priority: 0, runAtMs: 1, expiresAtMs: null, tenant: 'default' },
  ...{ idempotencyKey: null, uniqueKey: null, concurrencyKey: null, after: null, afterFailed: null },
  ...{ groupName: null },
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

const ended =
  "UPDATE jobs SET updated_at_ms = 2, state = 'failed', reason = 'exit', exit_code = 1, ended_at_ms = 5";
const event = 'INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data) VALUES';
const attempt =
  'INSERT INTO past_attempts (job_id, attempt, worker_id, worker_generation, claimed_at_ms, ended_at_ms) VALUES';
const more = `INSERT INTO jobs (id, queue, executor, image, state, run_at_ms, attempts_max, created_at_ms,
  updated_at_ms, concurrency_key) VALUES`;
const webhook = `INSERT INTO webhooks (name, id, url, kinds, secret, paused, cursor_seq, created_at_ms, updated_at_ms)
  VALUES ('h', 'i', 'u', '[]', 's', 0, 99, 1, 1)`;
const delivery = `INSERT INTO webhook_deliveries (webhook, id, kind, state, tries, duration_ms, first_at_ms, at_ms)
  VALUES ('none', 'i', 'k', 'delivered', 1, 1, 1, 1)`;
const parent = 'INSERT INTO job_parents (child_seq, parent_id, state) VALUES';
const answer = 'INSERT INTO submit_answers VALUES';
const line = `INSERT INTO fair_lines (queue, line, executor, ready, turn, step, closed)
  VALUES ('q', 'a', 'e', 1, 0, 1, 0)`;

/** What is done to a sound store, and what must be said of it. */
const damages: readonly (readonly [string, string])[] = [
  ['DELETE FROM jobs', 'I1: a job was accepted and is gone: job j'],
  ['DELETE FROM job_data', 'I1: a job has no spec'],
  [
    "UPDATE workers SET state = 'offline'",
    'I1: a held job has no live worker of its generation, so nobody would put it back',
  ],
  ['UPDATE jobs SET ended_at_ms = 5', 'I1: an ended job has no end time, or one that has not ended has one'],
  ['UPDATE jobs SET forgotten_at_ms = 3', 'I1: a job was forgotten that had not ended: job j as claimed'],
  [
    'UPDATE jobs SET claimed_at_ms = NULL',
    'I2: a held job has no attempt or no holder, or a waiting one still has an attempt',
  ],
  ['UPDATE jobs SET worker_generation = NULL', 'I2: a held job has no attempt or no holder'],
  ['UPDATE jobs SET attempt = 2', 'I3: the attempts of a job are not numbered 1, 2, 3, …'],
  [`${attempt} ('none', 1, 'w', 1, 1, 1)`, 'I3: an attempt belongs to no job'],
  [`UPDATE events SET jobs = '[["j",3]]' WHERE kind = 'job.claimed'`, 'I3: an attempt is told out of turn'],
  [
    `${ended};${event} (6, 'job.running', 'j', 1, 'w', '{"from":"failed"}')`,
    'I4: an ended state was left: job j left failed for running',
  ],
  [
    "UPDATE workers SET generation = 2;UPDATE jobs SET updated_at_ms = 2, state = 'running', started_at_ms = 3",
    'I5: an older holder started an attempt: event 7, attempt 1 of job j at worker w',
  ],
  [`UPDATE workers SET generation = 2;${ended}`, 'I5: an older holder ended an attempt'],
  [`UPDATE workers SET state = 'offline';${ended}`, 'I5: an older holder ended an attempt'],
  [
    `UPDATE workers SET state = 'draining';${more} ('k', 'q', 'e', 'i', 'pending', 1, 1, 1, 1, NULL);
     UPDATE jobs SET updated_at_ms = 2, state = 'claimed', attempt = 1, worker_id = 'w', worker_generation = 1
     WHERE id = 'k'`,
    'I5: a worker that was not online claimed',
  ],
  [
    `${more} ('k', 'q', 'e', 'i', 'pending', 1, 1, 1, 1, 'a');
     ${more} ('l', 'q', 'e', 'i', 'pending', 1, 1, 1, 1, 'a');
     INSERT INTO queues (name, paused, key_concurrency_max, updated_at_ms) VALUES ('q', 0, 1, 1)`,
    'I8: of a key more jobs are ready than have room, or fewer while others wait',
  ],
  ['DELETE FROM events WHERE seq = 2', 'I9: an event is missing: {"first_missing":2}'],
  ['DELETE FROM events WHERE job_id IS NOT NULL OR jobs IS NOT NULL', 'I9: a job has no events: job j'],
  [
    "UPDATE events SET kind = 'job.running' WHERE kind = 'job.claimed'",
    'I9: a step is not in the table: job j left pending for running',
  ],
  [
    "UPDATE jobs SET updated_at_ms = 2, state = 'blocked'",
    'I9: a step is not in the table: job j left claimed for blocked',
  ],
  [
    "UPDATE jobs SET reason = 'oom'",
    'I9: the events of a job lead elsewhere: job j: reason is oom, told was null',
  ],
  [
    "UPDATE jobs SET worker_id = 'v'",
    'I9: the events of a job lead elsewhere: job j: workerId is v, told was w',
  ],
  [`${event} (1, 'job.submitted', 'j', NULL, NULL, '{"state":"pending"}')`, 'I9: a job was submitted twice'],
  [`${event} (1, 'job.exploded', 'j', 1, NULL, '{}')`, 'I9: unknown event'],
  [`${event} (1, 'job.running', 'j', 1, 'w', '{"from":"pending"}')`, 'I9: a job left another state'],
  [`${ended};UPDATE jobs SET reason = 'oom'`, 'I9: an attempt ended otherwise than its event tells'],
  [
    `UPDATE events SET data = '{"generation":7}' WHERE kind = 'worker.registered'`,
    'I9: the events of a worker lead elsewhere',
  ],
  [
    `INSERT INTO queues (name, paused, updated_at_ms) VALUES ('q', 0, 1);
     UPDATE events SET data = '{"queue":"q","paused":1}' WHERE kind = 'queue.changed'`,
    'I9: the events of a queue lead elsewhere',
  ],
  [
    'UPDATE jobs SET started_at_ms = 2',
    'a running or completed job was never started, or one that is only claimed was',
  ],
  ['UPDATE jobs SET attempts_used = 2', 'attempts spent are more than allowed'],
  ['UPDATE queue_counts SET failed = failed + 1', 'counts differ from the jobs'],
  ["INSERT INTO job_data (seq, spec) VALUES (99, '{}')", 'what belongs to a job outlives it'],
  ['UPDATE jobs SET waits_for_key = 1', 'a job that is not pending waits for its key'],
  ["UPDATE job_labels SET value = 'c'", 'labels differ from the specs'],
  [
    "UPDATE jobs SET updated_at_ms = 2, state = 'running', started_at_ms = 1, expires_at_ms = 1",
    'a job that was started expires, or one failed as expired before its time',
  ],
  ["UPDATE schedules SET name = 'other'", 'a run belongs to no schedule'],
  ['UPDATE schedules SET fired = 0', 'a schedule has told other numbers than it has counted'],
  [`${event} (1, 'schedule.fired', 'r', NULL, NULL, '{}')`, 'a run of a schedule has fired more than once'],
  [
    "INSERT INTO job_results (job_id, attempt, result, at_ms) VALUES ('none', 1, '1', 1)",
    'what a job told outlives it',
  ],
  [
    "UPDATE jobs SET line = 'a'",
    'a job is in a line and not pending, or pending and in none while claims go by lines',
  ],
  [line, 'lines differ from the ready jobs in them'],
  [
    `${line};INSERT INTO queues (name, paused, updated_at_ms, lines_by, in_lines) VALUES ('q', 0, 1, 'key', 1);
     INSERT INTO rates (queue, key, rate_max, per_ms, full_at_units, opens_at_ms) VALUES ('q', 'a', 1, 1, 9, 8)`,
    'I8: a line is closed although its key has a token, or open although it has none',
  ],
  [
    `${parent} (1, 'p', 'open')`,
    'I1: a job is blocked by no other, or is not although another has not ended: {"id":"j"',
  ],
  [
    `${parent} (1, 'p', 'open')`,
    'I1: a job has not heard of the end of one that it runs after, and will not',
  ],
  [
    `${parent} (1, 'p', 'failed');UPDATE jobs SET updated_at_ms = 2, state = 'blocked', after_failed = 'fail'`,
    'I1: a blocked job was to end with one that it runs after',
  ],
  [`${parent} (1, 'p', 'done')`, 'jobs run after others than their specs say'],
  ["UPDATE jobs SET group_name = 'g'", 'the counts of a group differ from its jobs'],
  ["INSERT INTO job_groups VALUES ('g', 0, 0, 0, 0, 0, 0, 0, 0)", 'a group has no jobs'],
  [`${answer} ('k', 'q', 'j', 1, 'd')`, 'an answer names no job with a unique key'],
  [`${answer} ('j', NULL, 'j', 1, 'd')`, 'an answered submit has a job of its own'],
  [`${answer} ('k', NULL, 'j', 20001, 'd'), ('l', NULL, 'j', 1, 'd')`, 'one job has too many answers'],
  [webhook, 'a webhook is ahead of the events'],
  [delivery, 'a delivery has no webhook, or is tried again although its event is done with'],
];

/** The worker claims the next job. */
function claim(by: { token: string; nowMs: number }): Statement[] {
  const values = { workerId: 'w', generation: 1, want: 1, ...by };
  return [claimJobs.with(values), tellClaimed.with(values)];
}

describe('the checker of invariants', () => {
  let db: Database;

  beforeEach(async () => {
    db = await openSqlite({ file: ':memory:', clock: new FakeClock(), log: silentLog });
    await migrate(db, await loadMigrations(), 1);
    await db.batch([
      registerWorker.with({
        ...worker,
        registration: null,
        queues: '["q"]',
        executors: '[{"name":"e","unavailable":null}]',
      }),
      insertJob.with(job),
      insertJobData.with({ id: 'j', spec: '{"labels":{"a":"b"}}' }),
      ...claim({ token: 't', nowMs: 2 }),
      insertSchedule.with({ ...schedule, paused: 0 }),
      insertTriggered.with({ id: 'r', name: 's', nowMs: 2 }),
      settleRun.with({ id: 'r', outcome: 'fired', message: null, nowMs: 3 }),
    ]);
  });

  afterEach(() => db.close());

  it('finds nothing in a sound store', async () => {
    expect(await checkInvariants(db)).toEqual([]);
  });

  it.each(damages)('finds what %s has done', async (sql, violation) => {
    await db.batch(sql.split(';').map((each) => ({ sql: each })));
    expect(await checkInvariants(db)).toContainEqual(expect.stringContaining(violation));
  });

  it('has a damage for each of its rules', () => {
    const unproven = rules.filter(({ rule }) => !damages.some(([, violation]) => violation.includes(rule)));
    expect(unproven).toEqual([]);
  });

  it('takes what is left of forgotten events for the middle of a story, and still sees a gap in it', async () => {
    await db.batch([{ sql: 'DELETE FROM events WHERE seq < 3' }]);
    expect(await checkInvariants(db)).toEqual([]);
    await db.batch([{ sql: 'DELETE FROM events WHERE seq = 4' }]);
    expect(await checkInvariants(db)).toContainEqual(expect.stringContaining('an event is missing'));
  });

  it('reads a store page by page, and finds the last of many', async () => {
    const ids = Array.from({ length: limits.verifyPage + 50 }, (_, n) => `k${String(n).padStart(5, '0')}`);
    const inserts = ids.flatMap((id) => [
      insertJob.with({ ...job, id }),
      insertJobData.with({ id, spec: '{}' }),
    ]);
    await db.batch(inserts);
    expect(await checkInvariants(db)).toEqual([]);
    const last = ids.at(-1);
    await db.batch([{ sql: 'UPDATE jobs SET attempt = 1 WHERE id = ?', args: [last ?? ''] }]);
    expect(await checkInvariants(db)).toContainEqual(
      `I9: the events of a job lead elsewhere: job ${last}: attempt is 1, told was 0`,
    );
  });

  it('tells the first violations of a rule and that there are more', async () => {
    const ids = Array.from({ length: limits.violationsShown + 5 }, (_, n) => `k${n}`);
    await db.batch(ids.map((id) => insertJob.with({ ...job, id })));
    const found = new Findings();
    await verifyStore(db, found);
    const broken = found.all().filter(({ result }) => result === 'violated');
    expect(broken).toMatchObject([
      {
        invariant: 'I1',
        looked: { jobs: ids.length + 1 },
        violations: [{ rule: 'a job has no spec', count: limits.violationsShown, more: true }],
      },
    ]);
    expect(broken[0]?.violations[0]?.rows).toHaveLength(limits.violationsShown);
  });

  it('finds a key, and a queue, that held more jobs than allowed, although none holds them any more', async () => {
    const keyed = { ...job, id: 'k', concurrencyKey: 'tenant' };
    await db.batch([
      insertJob.with(keyed),
      insertJob.with({ ...keyed, id: 'l' }),
      { sql: "INSERT INTO job_data (seq, spec) SELECT seq, '{}' FROM jobs WHERE id > 'j'" },
      { sql: "INSERT INTO queues (name, paused, concurrency_max, updated_at_ms) VALUES ('q', 0, 3, 1)" },
      ...claim({ token: 'u', nowMs: 2 }),
      ...claim({ token: 'v', nowMs: 2 }),
      { sql: "UPDATE jobs SET updated_at_ms = 2, state = 'pending', reason = NULL" },
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
      'I8: a queue was over its limit: queue q held 3 jobs, 2 are allowed',
      'I8: a key was over its limit: key q tenant held 2 jobs, 1 are allowed',
      expect.stringMatching(/^I9: the events of a queue lead elsewhere: queue q is /),
    ]);
  });

  it('finds a claim for which there was no token', async () => {
    const insert = (id: string) => [insertJob.with({ ...job, id }), insertJobData.with({ id, spec: '{}' })];
    const rates = { queue: 'q', rateMax: 1, ratePerMs: 1_000 };
    await db.batch([
      { sql: `${event} (3, 'queue.changed', NULL, NULL, NULL, ?)`, args: [JSON.stringify(rates)] },
      ...[...insert('k'), ...insert('l')],
      ...claim({ token: 'u', nowMs: 1_000 }),
    ]);
    expect(await checkInvariants(db)).toEqual([]);
    await db.batch(claim({ token: 'v', nowMs: 1_000 }));
    expect(await checkInvariants(db)).toEqual([
      'I8: a queue or a key was over its rate: "q\\n" had no token of 1 in 1000 ms for a claim at 1000',
    ]);
  });
});
