/** What must hold after a run: the invariants, and that the store tells what really happened. */

import { decodeLogRecords } from '../../src/contract/log.ts';
import type { SqliteDatabase } from '../../src/store/sqlite/sqlite.ts';
import { integer, integerOrNull, text, textOrNull } from '../../src/store/statements/columns.ts';
import { Findings, violationLines } from '../../src/store/verify/findings.ts';
import { endedAttempts } from '../../src/store/verify/rules.ts';
import { verifyStore } from '../../src/store/verify/verify-store.ts';
import type { MemoryLogs } from './memory-logs.ts';
import type { Truth } from './worker-host.ts';

/** Reasons that the control plane gives by itself. */
const givenByControl: ReadonlySet<string> = new Set(['worker_lost', 'cancelled', 'expired', 'internal']);

/** Every sentence is a violation. */
export async function judge(deps: {
  readonly db: SqliteDatabase;
  readonly truth: Truth;
  readonly logs: MemoryLogs;
  readonly accepted: ReadonlySet<string>;
}): Promise<string[]> {
  const found = new Findings();
  await verifyStore(deps.db, found);
  return [
    ...violationLines(found.all()),
    ...(await unaccounted(deps.db, deps.accepted)),
    ...twice(deps.truth.begun, await forgottenIn(deps.db)),
    ...(await untrue(deps.db, deps.truth, deps.logs)),
    ...(await leftLogs(deps.db, deps.logs)),
  ];
}

async function unaccounted(db: SqliteDatabase, accepted: ReadonlySet<string>): Promise<string[]> {
  // What a stop has left of a job that was forgotten goes at the next start.
  const rows = await db.query({
    sql: 'SELECT id FROM jobs UNION ALL SELECT job_id FROM logs_to_remove ORDER BY id',
  });
  const known = new Set([...rows.map((row) => text(row, 'id')), ...(await forgottenIn(db))]);
  return [...accepted]
    .filter((id) => !known.has(id))
    .map((id) => `I1: job ${id} was accepted and is not there`);
}

/** Ids of jobs that were forgotten: the same submit again, because its answer was lost, makes them anew. */
async function forgottenIn(db: SqliteDatabase): Promise<ReadonlySet<string>> {
  const rows = await db.query({ sql: "SELECT job_id FROM events WHERE kind = 'job.forgotten' ORDER BY seq" });
  return new Set(rows.map((row) => text(row, 'job_id')));
}

function twice(begun: readonly string[], forgotten: ReadonlySet<string>): string[] {
  const seen = new Set<string>();
  return begun.flatMap((key) => {
    if (seen.has(key) && !forgotten.has(key.split('/')[0] ?? ''))
      return [`I6: attempt ${key} had its side effect twice`];
    seen.add(key);
    return [];
  });
}

/** An attempt that ended by itself ended as its executor says, and has all of its output. */
async function untrue(db: SqliteDatabase, truth: Truth, logs: MemoryLogs): Promise<string[]> {
  const rows = await db.query({
    sql: `SELECT * FROM (${endedAttempts}) ORDER BY job_id, attempt`,
  });
  const begun = new Set(truth.begun);
  const forgotten = await forgottenIn(db);
  return rows.flatMap((row) => {
    const [id, attempt] = [text(row, 'job_id'), integer(row, 'attempt')];
    if (forgotten.has(id)) return [];
    const key = `${id}/${attempt}`;
    const reason = textOrNull(row, 'reason');
    const outcome = truth.outcomes.get(key);
    const wrong: string[] = [];
    if (begun.has(key) && integerOrNull(row, 'started_at_ms') === null)
      wrong.push(`I6: attempt ${key} ran and is not told as started`);
    if (reason === null || givenByControl.has(reason)) return wrong;
    if (outcome?.reason !== reason || outcome.exitCode !== integerOrNull(row, 'exit_code'))
      wrong.push(
        `attempt ${key} is told as ${reason} ${row['exit_code']}, was ${outcome?.reason} ${outcome?.exitCode}`,
      );
    const [written, kept] = [truth.output.get(key) ?? 0, keptOf(logs, id, attempt)];
    if (written !== kept && !truth.cut.has(key))
      wrong.push(`attempt ${key} wrote ${written} bytes, its log has ${kept}`);
    return wrong;
  });
}

/** Bytes of output in the log of an attempt. */
function keptOf(logs: MemoryLogs, jobId: string, attempt: number): number {
  const { records } = decodeLogRecords(logs.read(jobId, attempt));
  return records.reduce((sum, { data }) => sum + data.length, 0);
}

async function leftLogs(db: SqliteDatabase, logs: MemoryLogs): Promise<string[]> {
  // What a stop has left of a job that was forgotten goes at the next start.
  const rows = await db.query({
    sql: 'SELECT id FROM jobs UNION ALL SELECT job_id FROM logs_to_remove ORDER BY id',
  });
  const known = new Set(rows.map((row) => text(row, 'id')));
  return logs
    .jobs()
    .filter((id) => !known.has(id))
    .map((id) => `I7: the log of job ${id} is left`);
}
