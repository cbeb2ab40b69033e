import { expect, it } from 'vitest';
import { eventKinds } from '../domain/event-kinds.ts';
import { jobMachine } from '../domain/job.ts';
import type { Machine } from '../domain/machine.ts';
import { workerMachine } from '../domain/worker.ts';
import { realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { migrate } from './migrate.ts';
import { loadMigrations } from './migration-files.ts';
import { openSqlite } from './sqlite/sqlite.ts';
import { allStatements } from './statements/index.ts';

/** States that something moves to. */
const movedTo = <S extends string>({ states, allowedFrom }: Machine<S>): S[] => [
  ...new Set(states.flatMap(allowedFrom)),
];
/** A trigger tells a worker that comes online as registered. */
const states = {
  job: movedTo(jobMachine),
  worker: movedTo(workerMachine).filter((state) => state !== 'online'),
};

function kindsIn(sql: string): string[] {
  return [
    ...sql.matchAll(/INSERT INTO events[^;]*?'(job|queue|schedule|worker)\.([a-z_]*)'( \|\| NEW\.state)?/g),
  ].flatMap(([, noun = '', verb = '', computed]) =>
    computed === undefined
      ? [`${noun}.${verb}`]
      : states[noun as keyof typeof states].map((state) => `${noun}.${state}`),
  );
}

it('every kind that triggers and statements write is listed, and none else', async () => {
  const db = await openSqlite({ file: ':memory:', clock: realClock, log: silentLog });
  await migrate(db, await loadMigrations(), 1);
  const triggers = await db.query({ sql: "SELECT sql FROM sqlite_master WHERE type = 'trigger'" });
  await db.close();
  const texts = [...triggers.map((row) => String(row['sql'])), ...allStatements.map(({ sql }) => sql)];
  const writers = texts.filter((sql) => sql.includes('INSERT INTO events'));
  for (const sql of writers)
    expect(kindsIn(sql).length, sql).toBeGreaterThanOrEqual(sql.split('INSERT INTO events').length - 1);
  expect([...new Set(writers.flatMap(kindsIn))].sort()).toEqual([...eventKinds].sort());
});
