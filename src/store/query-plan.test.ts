import { afterAll, beforeAll, expect, it } from 'vitest';
import { realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import type { Database } from './database.ts';
import { assertNoScan, queryPlan } from './query-plan.suite.ts';
import { openSqlite } from './sqlite/sqlite.ts';

let db: Database;
beforeAll(async () => {
  db = await openSqlite({ file: ':memory:', clock: realClock, log: silentLog });
  await db.batch([
    { sql: 'CREATE TABLE jobs (seq INTEGER PRIMARY KEY, status TEXT, run_at INTEGER, note TEXT)' },
    { sql: "CREATE INDEX jobs_due ON jobs (run_at) WHERE status = 'scheduled'" },
  ]);
});
afterAll(() => db.close());

it.each([
  ['SELECT note FROM jobs WHERE seq = ?'],
  ["UPDATE jobs SET note = ? WHERE status = 'scheduled' AND run_at <= 5"],
  ["SELECT seq FROM jobs INDEXED BY jobs_due WHERE status = 'scheduled' ORDER BY run_at LIMIT ?"],
  ['SELECT jobs.note FROM json_each(?) AS d CROSS JOIN jobs WHERE jobs.seq = d.value'],
  ['WITH one AS MATERIALIZED (SELECT note FROM jobs WHERE seq = ?) SELECT note FROM one'],
])('takes as indexed: %s', async (sql) => {
  await assertNoScan(db, { sql, args: ['1'] });
});

it.each([
  ['SELECT note FROM jobs WHERE note = ?', 'SCAN jobs'],
  ['DELETE FROM jobs WHERE status = ?', 'SCAN jobs'],
  ['SELECT j.note FROM jobs AS j WHERE j.status = ?', 'SCAN j'],
  ['SELECT note FROM jobs WHERE seq > ? ORDER BY note', 'USE TEMP B-TREE FOR ORDER BY'],
])('finds the scan in: %s', async (sql, scan) => {
  const statement = { sql, args: ['1'] };
  expect((await queryPlan(db, statement)).scans).toEqual([scan]);
  await expect(assertNoScan(db, statement)).rejects.toThrow(scan);
});
