import { expect, it } from 'vitest';
import { isEnded, jobMachine } from '../../domain/job.ts';
import { FakeClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { migrate } from '../migrate.ts';
import { loadMigrations } from '../migration-files.ts';
import { openSqlite } from '../sqlite/sqlite.ts';
import { kindOf, stateKinds } from './by-state.ts';
import { listJobsByQueue, listJobsByQueueAndState, listJobsByStates } from './lists.ts';
import { searches, searchPairs } from './search.ts';

const { states } = jobMachine;
const page = { before: 99, limit: 9 };
const anyJob = {
  ...{ floor: 0, tenant: null, group: null, text: null, labels: '[]', labelName: null, labelValue: null },
  states: null,
  ...{ createdAfterMs: null, createdBeforeMs: null },
};

it.each(['0015_by_state', '0016'])('lists find the jobs of each state, stored before %s', async (before) => {
  const db = await openSqlite({ file: ':memory:', clock: new FakeClock(), log: silentLog });
  const migrations = await loadMigrations();
  await migrate(
    db,
    migrations.filter(({ name }) => name < before),
    1,
  );
  for (const [index, state] of states.entries()) {
    await db.batch([
      {
        sql: `INSERT INTO jobs (id, queue, executor, image, state, run_at_ms, attempts_max, created_at_ms,
                updated_at_ms, ended_at_ms) VALUES (?, 'q', 'e', 'i:1', ?, 1, 9, 1, 1, ?)`,
        args: [`${index}`, state, isEnded(state) ? 2 : null],
      },
    ]);
  }
  await migrate(db, migrations, 2);
  const ids = async (statement: Parameters<typeof db.query>[0]) =>
    (await db.query(statement)).map((row) => row['id']);

  const newestFirst = states.map((_, index) => `${index}`).reverse();
  const all = { ...page, states: JSON.stringify(states) };
  expect(await ids(listJobsByQueue.with({ ...all, queue: 'q' }))).toEqual(newestFirst);
  expect(await ids(listJobsByStates.with(all))).toEqual(newestFirst);
  const some = JSON.stringify(states.filter((_, index) => index % 3 === 0));
  for (const found of [
    await ids(listJobsByStates.with({ ...page, states: some })),
    await ids(listJobsByQueue.with({ ...page, states: some, queue: 'q' })),
    await ids(searches.all.with({ ...anyJob, ...page, states: some, queue: 'q', state: null })),
  ])
    expect(found).toEqual(['6', '3', '0']);
  for (const [index, state] of states.entries()) {
    expect(await ids(listJobsByStates.with({ ...page, states: JSON.stringify([state]) }))).toEqual([
      `${index}`,
    ]);
    for (const kind of stateKinds) {
      const found = kind === kindOf(state) ? [`${index}`] : [];
      const values = { ...page, queue: 'q', state };
      expect(await ids(listJobsByQueueAndState[kind].with(values))).toEqual(found);
    }
    const pairs = JSON.stringify([['q', state]]);
    expect(await ids(searchPairs.with({ ...anyJob, ...page, queue: 'q', pairs }))).toEqual([`${index}`]);
  }
  await db.close();
});
