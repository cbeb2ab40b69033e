import { expect, it } from 'vitest';
import { realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import type { Database } from './database.ts';
import { checkInvariants } from './invariants.suite.ts';
import { migrate } from './migrate.ts';
import { loadMigrations } from './migration-files.ts';
import { openSqlite } from './sqlite/sqlite.ts';
import { retryJob } from './statements/jobs.ts';
import { newestAttempt, pastAttempts } from './statements/lists.ts';

const before = '0006_speed';

/** A job that takes these steps, one every ms, as the schema before wrote them. */
async function play(db: Database, id: string, steps: readonly string[]): Promise<void> {
  await db.batch([
    {
      sql: `INSERT INTO jobs (id, queue, executor, image, state, run_at_ms, attempts_max, created_at_ms, updated_at_ms)
            VALUES (?, 'q', 'e', 'i:1', 'pending', 1, 9, 1, 1)`,
      args: [id],
    },
    { sql: 'INSERT INTO job_data (seq, spec) SELECT seq, ? FROM jobs WHERE id = ?', args: ['{}', id] },
  ]);
  for (const [index, step] of steps.entries()) {
    const [state = '', reason = null] = step.split(' ');
    const nowMs = index + 10;
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
}

async function attempts(db: Database, jobId: string): Promise<unknown[]> {
  const past = await db.query(pastAttempts.with({ jobId, limit: 9 }));
  return [...past].reverse().concat(await db.query(newestAttempt.with({ jobId })));
}

it(`${before} keeps all attempts, totals and events of a filled store`, async () => {
  const db = await openSqlite({ file: ':memory:', clock: realClock, log: silentLog });
  const all = await loadMigrations();
  await migrate(
    db,
    all.filter(({ name }) => name < before),
    1,
  );
  await db.batch([
    {
      sql: `INSERT INTO workers (id, generation, state, name, version, pid, slots, queues, executors,
              registered_at_ms, updated_at_ms, lease_until_ms)
            VALUES ('w', 1, 'online', 'w', '1', 1, 1, '[]', '[]', 1, 1, 1)`,
    },
  ]);
  await play(db, 'held', ['claimed']);
  await play(db, 'done', ['claimed', 'running', 'completed exit']);
  await play(db, 'waits', ['claimed', 'running', 'scheduled exit']);
  await play(db, 'twice', ['claimed', 'pending worker_lost', 'claimed', 'running', 'failed timeout']);
  await play(db, 'stopped', ['claimed', 'pending worker_lost', 'cancelled cancelled']);
  await db.batch([{ sql: "UPDATE attempts SET vm = '{}', usage = '{}' WHERE job_id = 'done'" }]);
  const events = await db.query({ sql: 'SELECT * FROM events ORDER BY seq' });

  await migrate(db, all, 2);

  expect(await checkInvariants(db)).toEqual([]);
  expect(await db.query({ sql: 'SELECT * FROM events ORDER BY seq' })).toEqual(events);
  expect(await attempts(db, 'held')).toMatchObject([{ attempt: 1, state: 'claimed', claimed_at_ms: 10 }]);
  expect(await attempts(db, 'done')).toMatchObject([
    { attempt: 1, state: 'ended', started_at_ms: 11, ended_at_ms: 12, reason: 'exit', vm: '{}', usage: '{}' },
  ]);
  expect(await attempts(db, 'waits')).toMatchObject([{ attempt: 1, state: 'ended', reason: 'exit' }]);
  const lost = { attempt: 1, state: 'ended', reason: 'worker_lost', ended_at_ms: 11 };
  expect(await attempts(db, 'twice')).toMatchObject([
    lost,
    { attempt: 2, state: 'ended', reason: 'timeout' },
  ]);
  expect(await attempts(db, 'stopped')).toMatchObject([lost]);

  await db.batch([retryJob.with({ id: 'twice', state: 'pending', runAtMs: 20, nowMs: 20 })]);
  expect(await attempts(db, 'twice')).toMatchObject([
    lost,
    { attempt: 2, state: 'ended', reason: 'timeout' },
  ]);
  expect(await checkInvariants(db)).toEqual([]);
  await db.close();
});
