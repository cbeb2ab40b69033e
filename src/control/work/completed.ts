/** Light jobs that were started and ended with 0 between two calls: written and told as one set. */
import type { AttemptDone } from '../../contract/worker.ts';
import type { Row, Statement } from '../../store/database.ts';
import { json, text } from '../../store/statements/columns.ts';
import { completeAmongOthers, completeClaimed, tellCompleted } from '../../store/statements/completed.ts';
import type { Holder } from '../fence.ts';
import { tellMoved } from '../moved.ts';
import type { Signals } from '../signals.ts';

/** Whether this end with 0 can be written with that of `first`: a set has attempts of one number. */
export function isOfSet(
  { attempt, startedAtMs, message, vm, usage }: AttemptDone,
  first: AttemptDone,
): boolean {
  const isBare = message === null && vm === null && usage === null;
  return isBare && startedAtMs !== undefined && attempt === first.attempt;
}

/** What writes a set. */
export function completedSet(
  { workerId, generation }: Holder,
  set: readonly AttemptDone[],
  nowMs: number,
): Statement[] {
  const [first] = set;
  if (first === undefined) return [];
  // An object of so many names takes five times as long to build.
  const starts = `{${set.map((done) => `${JSON.stringify(done.jobId)}:${done.startedAtMs}`).join()}}`;
  const values = { workerId, generation, starts, attempt: first.attempt, nowMs };
  return [tellCompleted, completeAmongOthers, completeClaimed].map((statement) => statement.with(values));
}

/** Tells the process of the set in a row of `tellCompleted`; gives its attempts. */
export function tellSet(signals: Signals, row: Row): [jobId: string, attempt: number][] {
  const missed = json<Row[]>(row, 'missed');
  const told = new Set(missed.map((each) => text(each, 'id')));
  const attempts = json<[string, number][]>(row, 'jobs');
  for (const [jobId] of attempts) if (!told.has(jobId)) signals.ended(jobId);
  tellMoved(signals, missed);
  return attempts;
}
