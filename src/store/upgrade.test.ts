import { expect, it } from 'vitest';
import { realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import type { Database } from './database.ts';
import { checkInvariants } from './invariants.suite.ts';
import { migrate } from './migrate.ts';
import { loadMigrations } from './migration-files.ts';
import { openSqlite } from './sqlite/sqlite.ts';
import { completeAmongOthers, completeClaimed, tellCompleted } from './statements/completed.ts';
import { failExpired } from './statements/due.ts';
import { jobById, retryJob } from './statements/jobs.ts';
import { newestAttempt, pastAttempts } from './statements/lists.ts';
import { countsOfQueue } from './statements/queues.ts';
import { groupByName } from './statements/together.ts';

const spec = '{"memoryMiB":64}';

/** A job that takes these steps, one every ms, as the schema before wrote them. */
async function play(db: Database, id: string, steps: readonly string[]): Promise<void> {
  await db.batch([
    {
      sql: `INSERT INTO jobs (id, queue, executor, image, state, run_at_ms, attempts_max, created_at_ms, updated_at_ms)
            VALUES (?, 'q', 'e', 'i:1', 'pending', 1, 9, 1, 1)`,
      args: [id],
    },
    { sql: 'INSERT INTO job_data (seq, spec) SELECT seq, ? FROM jobs WHERE id = ?', args: [spec, id] },
  ]);
  for (const [index, step] of steps.entries()) await move(db, id, step, index + 10);
}

async function move(db: Database, id: string, step: string, nowMs = 20): Promise<void> {
  const [state = '', reason = null] = step.split(' ');
  const ends = ['completed', 'failed', 'cancelled'].includes(state);
  await db.batch([
    {
      sql: `UPDATE jobs SET state = ?, updated_at_ms = ?, reason = ?, worker_id = 'w', worker_generation = 1,
              attempt = attempt + ?, started_at_ms = iif(?, ?, started_at_ms), ended_at_ms = ? WHERE id = ?`,
      args: [
        ...[state, nowMs, reason, state === 'claimed' ? 1 : 0],
        ...[state === 'running' ? 1 : 0, nowMs, ends ? nowMs : null, id],
      ],
    },
  ]);
}

async function attempts(db: Database, jobId: string): Promise<unknown[]> {
  const past = await db.query(pastAttempts.with({ jobId, limit: 9 }));
  return [...past].reverse().concat(await db.query(newestAttempt.with({ jobId })));
}

/** A store with the migrations before that one, and a worker. */
async function storeBefore(name: string): Promise<Database> {
  const db = await openSqlite({ file: ':memory:', clock: realClock, log: silentLog });
  const older = (await loadMigrations()).filter((each) => each.name < name);
  await migrate(db, older, 1);
  await db.batch([
    {
      sql: `INSERT INTO workers (id, generation, state, name, version, pid, slots, queues, executors,
              registered_at_ms, updated_at_ms, lease_until_ms)
            VALUES ('w', 1, 'online', 'w', '1', 1, 1, '[]', '[]', 1, 1, 1)`,
    },
  ]);
  return db;
}

it.each(['0006_together', '0009_speed'])(
  'a filled store without %s and later ones keeps all attempts, totals and events',
  async (before) => {
    const db = await storeBefore(before);
    await play(db, 'held', ['claimed']);
    await play(db, 'done', ['claimed', 'running', 'completed exit']);
    await play(db, 'waits', ['claimed', 'running', 'scheduled exit']);
    await play(db, 'twice', ['claimed', 'pending worker_lost', 'claimed', 'running', 'failed timeout']);
    await play(db, 'stopped', ['claimed', 'pending worker_lost', 'cancelled cancelled']);
    await db.batch([{ sql: "UPDATE attempts SET vm = '{}', usage = '{}' WHERE job_id = 'done'" }]);
    const allEvents = {
      sql: 'SELECT seq, at_ms, kind, job_id, attempt, worker_id, data FROM events ORDER BY seq',
    };
    const events = await db.query(allEvents);

    await migrate(db, await loadMigrations(), 2);

    expect(await checkInvariants(db)).toEqual([]);
    expect(await db.query(allEvents)).toEqual(events);
    expect(await attempts(db, 'held')).toMatchObject([
      { attempt: 1, state: 'claimed', claimed_at_ms: 10, memory_mib: 64 },
    ]);
    expect(await attempts(db, 'done')).toMatchObject([
      {
        attempt: 1,
        state: 'ended',
        started_at_ms: 11,
        ended_at_ms: 12,
        reason: 'exit',
        vm: '{}',
        usage: '{}',
      },
    ]);
    expect(await attempts(db, 'waits')).toMatchObject([{ attempt: 1, state: 'ended', reason: 'exit' }]);
    const lost = { attempt: 1, state: 'ended', reason: 'worker_lost', ended_at_ms: 11 };
    expect(await attempts(db, 'twice')).toMatchObject([
      lost,
      { attempt: 2, state: 'ended', reason: 'timeout' },
    ]);
    expect(await attempts(db, 'stopped')).toMatchObject([lost]);

    await db.batch([
      retryJob.with({ id: 'twice', state: 'pending', runAtMs: 20, attempt: null, key: null, nowMs: 20 }),
    ]);
    expect(await attempts(db, 'twice')).toMatchObject([
      lost,
      { attempt: 2, state: 'ended', reason: 'timeout' },
    ]);
    expect(await checkInvariants(db)).toEqual([]);
    await db.close();
  },
);

it('a filled store without 0009_speed keeps the memory of attempts, groups, and who waits for whom', async () => {
  const db = await storeBefore('0009_speed');
  await play(db, 'parent', ['claimed', 'running']);
  await db.batch([
    {
      sql: `INSERT INTO jobs (id, queue, executor, image, state, run_at_ms, attempts_max, after_failed, group_name,
              expires_at_ms, created_at_ms, updated_at_ms)
            VALUES ('child', 'q', 'e', 'i:1', 'blocked', 1, 9, 'fail', 'g', 50, 1, 1)`,
    },
    {
      sql: 'INSERT INTO job_data (seq, spec) SELECT seq, ? FROM jobs WHERE id = ?',
      args: ['{"memoryMiB":64,"after":["parent"]}', 'child'],
    },
  ]);
  await play(db, 'grows', ['claimed', 'running', 'scheduled oom']);
  await db.batch([{ sql: "UPDATE jobs SET memory_mib = 128 WHERE id = 'grows'" }]);
  for (const state of ['pending', 'claimed', 'running']) await move(db, 'grows', state);
  await play(db, 'big', ['claimed']);
  await db.batch([{ sql: "UPDATE jobs SET memory_mib = 96 WHERE id = 'big'" }]);
  for (const state of ['running', 'failed']) await move(db, 'big', state);

  await migrate(db, await loadMigrations(), 2);

  expect(await checkInvariants(db)).toEqual([]);
  expect(await attempts(db, 'grows')).toMatchObject([{ memory_mib: 64 }, { memory_mib: 128 }]);
  expect(await attempts(db, 'big')).toMatchObject([{ memory_mib: 96 }]);

  await db.batch([
    { sql: "UPDATE jobs SET state = 'pending', memory_mib = 256, updated_at_ms = 30 WHERE id = 'grows'" },
    retryJob.with({ id: 'big', state: 'pending', runAtMs: 30, attempt: null, key: null, nowMs: 30 }),
    failExpired.with({ nowMs: 60, limit: 9 }),
  ]);
  expect(await checkInvariants(db)).toEqual([]);
  expect(await attempts(db, 'grows')).toMatchObject([{ memory_mib: 64 }, { memory_mib: 128 }]);
  expect(await attempts(db, 'big')).toMatchObject([{ memory_mib: 96 }]);
  expect(await db.query(groupByName.with({ name: 'g' }))).toMatchObject([{ blocked: 0, failed: 1 }]);
  await db.close();
});

/** The texts of all triggers and indexes but those of the usual steps; and the triggers of jobs in their order. */
async function schemaOf(db: Database): Promise<unknown> {
  const usual = "name NOT IN ('job_moved', 'job_claimed', 'job_completed')";
  return [
    await db.query({
      sql: `SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND ${usual} ORDER BY name`,
    }),
    await db.query({
      sql: `SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'jobs' AND ${usual} ORDER BY rowid`,
    }),
  ];
}

/** All that a job tells that takes the usual steps, once with a message. */
async function usualSteps(db: Database, id: string): Promise<unknown> {
  await play(db, id, ['claimed', 'running', 'completed exit', 'pending', 'claimed', 'completed exit']);
  for (const state of ['pending', 'claimed']) await move(db, id, state);
  await db.batch([
    {
      sql: `UPDATE jobs SET state = 'completed', reason = 'exit', exit_code = 0, message = 'a "b"', ended_at_ms = 20,
              updated_at_ms = 20
            WHERE id = ?`,
      args: [id],
    },
  ]);
  return await db.query({
    sql: 'SELECT at_ms, kind, attempt, worker_id, data FROM events WHERE job_id = ? ORDER BY seq',
    args: [id],
  });
}

it('a filled store without 0011_jobs_anew keeps its jobs, indexes and triggers, and what they tell', async () => {
  const db = await storeBefore('0011_jobs_anew');
  const allJobs = { sql: 'SELECT * FROM jobs ORDER BY seq' };
  const columns = await db.query({ sql: "SELECT name, type FROM pragma_table_info('jobs')" });
  const chosen = new Map([
    ['state', 'cancelled'],
    ['after_failed', 'run'],
  ]);
  const names = columns.map((column) => String(column['name']));
  const values = columns.map(({ type }, index) => {
    const name = names[index] ?? '';
    return type === 'INTEGER' ? 100 + index : (chosen.get(name) ?? `a ${name}`);
  });
  await db.batch([
    {
      sql: `INSERT INTO jobs (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
      args: values,
    },
  ]);
  const told = await usualSteps(db, 'before');
  const jobs = await db.query(allJobs);
  const schema = await schemaOf(db);

  const migrations = await loadMigrations();
  await migrate(db, migrations.slice(0, 12), 2);

  expect(jobs.length).toBe(2);
  expect(await db.query(allJobs)).toEqual(jobs);
  expect(await schemaOf(db)).toEqual(schema);
  expect(await usualSteps(db, 'after')).toEqual(told);

  await migrate(db, migrations, 3);
  expect(await usualSteps(db, 'last')).toEqual(told);
  for (const bad of ["state = 'done'", "after_failed = 'stop'"])
    await expect(db.batch([{ sql: `UPDATE jobs SET ${bad} WHERE id = 'after'` }])).rejects.toMatchObject({
      code: 'CONSTRAINT',
    });
  await db.close();
});

it('a job that was claimed before 0014_told_sets ends in a set, told and counted once', async () => {
  const db = await storeBefore('0014_told_sets');
  await play(db, 'held', ['claimed']);
  await db.batch([{ sql: "UPDATE jobs SET claimed_at_ms = 10 WHERE id = 'held'" }]);
  await play(db, 'waits', []);
  await migrate(db, await loadMigrations(), 2);
  const values = { workerId: 'w', generation: 1, starts: '{"held":11}', attempt: 1, nowMs: 12 };
  for (let call = 0; call < 2; call++) {
    await db.batch(
      [tellCompleted, completeAmongOthers, completeClaimed].map((statement) => statement.with(values)),
    );
  }
  expect(await checkInvariants(db)).toEqual([]);
  const told = await db.query({ sql: "SELECT at_ms, jobs FROM events WHERE kind = 'job.completed'" });
  expect(told).toEqual([{ at_ms: 12, jobs: '[["held",1]]' }]);
  expect(await db.query(jobById.with({ id: 'held' }))).toMatchObject([
    { state: 'completed', started_at_ms: 11, updated_at_ms: 12 },
  ]);
  expect(await db.query(countsOfQueue.with({ name: 'q' }))).toMatchObject([
    { pending: 1, claimed: 0, completed: 1 },
  ]);
  await db.close();
});
