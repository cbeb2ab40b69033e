import { expect, it } from 'vitest';
import { FakeClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { checkInvariants } from '../invariants.suite.ts';
import { migrate } from '../migrate.ts';
import { loadMigrations } from '../migration-files.ts';
import { openSqlite } from '../sqlite/sqlite.ts';
import { insertSchedule, insertTriggered, settleRun } from '../statements/schedules.ts';

it('a schedule made so long ago that no event tells of it any more is sound', async () => {
  const db = await openSqlite({ file: ':memory:', clock: new FakeClock(), log: silentLog });
  await migrate(db, await loadMigrations(), 1);
  const timing = { cron: '@daily', timeZone: 'UTC', catchUp: 'one', catchUpMax: 1, overlap: 'queue' };
  await db.batch([
    insertSchedule.with({ ...timing, name: 's', job: '{}', paused: 0, nextAtMs: 5, nowMs: 1 }),
  ]);
  for (const [id, nowMs] of [
    ['first', 2],
    ['second', 3],
  ] as const) {
    await db.batch([
      insertTriggered.with({ id, name: 's', nowMs }),
      settleRun.with({ id, outcome: 'fired', message: null, nowMs }),
    ]);
  }
  expect(await checkInvariants(db)).toEqual([]);
  await db.batch([{ sql: 'DELETE FROM events WHERE seq < (SELECT max(seq) FROM events)' }]);
  expect(await checkInvariants(db)).toEqual([]);
  await db.batch([{ sql: 'UPDATE schedules SET fired = 0' }]);
  expect(await checkInvariants(db)).toEqual([expect.stringContaining('a schedule has told other numbers')]);
  await db.close();
});
