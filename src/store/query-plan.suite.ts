/** Asks SQLite how it would run a statement, for tests that hold every statement to an index. */
import type { Database, Statement } from './database.ts';

export interface QueryPlan {
  /** The lines of EXPLAIN QUERY PLAN, such as `SEARCH jobs USING INDEX jobs_ready (queue=?)`. */
  readonly lines: readonly string[];
  /** The lines that read a whole table or sort in a temporary tree; empty for a good statement. */
  readonly scans: readonly string[];
}

/** The plan of a statement; its arguments matter only in number. */
export async function queryPlan(db: Database, statement: Statement): Promise<QueryPlan> {
  const rows = await db.query({ ...statement, sql: `EXPLAIN QUERY PLAN ${statement.sql}` });
  const lines = rows.map((row) => String(row['detail']));
  const computed = new Set(
    lines.flatMap((line) => /^(?:MATERIALIZE|CO-ROUTINE) (\S+)/.exec(line)?.[1] ?? []),
  );
  return { lines, scans: lines.filter((line) => isScan(line, computed)) };
}

/** Throws with the whole plan when the statement reads a whole table or sorts in a temporary tree. */
export async function assertNoScan(db: Database, statement: Statement): Promise<void> {
  const { lines, scans } = await queryPlan(db, statement);
  if (scans.length === 0) return;
  throw new Error(`${scans.join('; ')}\nin the plan of ${statement.sql}\n  ${lines.join('\n  ')}`);
}

function isScan(line: string, computed: ReadonlySet<string>): boolean {
  if (line.startsWith('USE TEMP B-TREE')) return true;
  const table = /^SCAN (\S+)/.exec(line)?.[1];
  if (table === undefined || line === 'SCAN CONSTANT ROW') return false;
  // A table function, an index, and rows that the statement itself computed are no table of the store.
  return !/ VIRTUAL TABLE INDEX | USING (COVERING )?INDEX /.test(line) && !computed.has(table);
}
