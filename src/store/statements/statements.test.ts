import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { checkStatement } from '../check.ts';
import type { Database, Statement } from '../database.ts';
import { migrate } from '../migrate.ts';
import { loadMigrations } from '../migration-files.ts';
import { queryPlan } from '../query-plan.suite.ts';
import { openSqlite } from '../sqlite/sqlite.ts';
import { allStatements } from './index.ts';

/**
 * They sort a bounded number of rows that an index gave them: of each queue, line or state; the jobs of one key that is
 * over its limit; the jobs of one call, or of one row of events.
 */
const sortsAFewRows = new Set([
  ...['work.claim', 'work.claimAmongOthers', 'lines.claim', 'keyPolicy.apply'],
  ...['lists.jobsByStates', 'lists.jobsByQueue', 'search.jobs.pairs'],
  ...['claimed.tell', 'claimed.ofToken', 'rates.giveBack', 'events.between', 'events.ofJob'],
]);

describe('statements', () => {
  let db: Database;

  beforeAll(async () => {
    db = await openSqlite({ file: ':memory:', clock: new FakeClock(), log: silentLog });
    await migrate(db, await loadMigrations(), 1);
  });

  afterAll(() => db.close());

  it('have names of their own', () => {
    const names = allStatements.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(30);
  });

  it.each(allStatements.map((each) => [each.name, each] as const))(
    '%s runs alike on every store',
    (_, each) => {
      expect(() => checkStatement(blank(each))).not.toThrow();
    },
  );

  it.each(allStatements.map((each) => [each.name, each] as const))(
    '%s never scans a table',
    async (_, each) => {
      const { lines } = await queryPlan(db, blank(each));
      const made = new Set(
        lines.flatMap((line) => /^(?:MATERIALIZE|CO-ROUTINE) (\S+)/.exec(line)?.[1] ?? []),
      );
      const scans = lines.filter((line) => isScan(line) && !made.has(line.replace(/^SCAN /, '')));
      const bad = [...scans, ...lines.filter((line) => !sortsAFewRows.has(each.name) && isSort(line))];
      expect(bad, lines.join('\n')).toEqual([]);
    },
  );

  it('that take a step of jobs have its triggers tell it, but for the three that tell it themselves', () => {
    const steps = allStatements.filter(({ sql }) => /^UPDATE (OR IGNORE )?jobs .*(SET|,) state = /.test(sql));
    const untold = steps.filter(({ sql }) => !sql.includes(' updated_at_ms = ?'));
    expect(steps.length).toBeGreaterThan(12);
    expect(untold.map(({ name }) => name).sort()).toEqual([
      'completed.write',
      'work.claim',
      'work.claimOfPair',
    ]);
  });

  it.each(allStatements.map((each) => [each.name, each] as const))('%s is planned once', (_, each) => {
    expect(each.sql).not.toMatch(/LIMIT \?/);
  });

  it('a plan that scans would be seen', async () => {
    const { lines } = await queryPlan(db, {
      sql: "SELECT id FROM jobs WHERE message = 'x' ORDER BY priority",
    });
    expect(lines.some(isScan)).toBe(true);
    expect(lines.some(isSort)).toBe(true);
  });
});

function blank(statement: { sql: string; params: readonly string[] }): Statement {
  return { sql: statement.sql, args: statement.params.map(() => null) };
}

/** A list given as JSON, and rows the statement itself made, are no table; a whole index is one. */
function isScan(line: string): boolean {
  return (
    line.startsWith('SCAN ') &&
    !/^SCAN ((\d+ )?CONSTANT ROWS?$|\d+-ROW VALUES CLAUSE$|\(subquery-)| VIRTUAL TABLE INDEX /.test(line)
  );
}

function isSort(line: string): boolean {
  return line.startsWith('USE TEMP B-TREE');
}
