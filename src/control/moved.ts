/** Tells the rest of the process of jobs that have moved from one state to another. */
import { isEnded } from '../domain/job.ts';
import type { Row } from '../store/database.ts';
import { integer, integerOrNull, text } from '../store/statements/columns.ts';
import type { Signals } from './signals.ts';
import { jobStateOf } from './views.ts';

/** How many jobs are ready, by queue and executor. */
export type ReadyJobs = Map<string, { queue: string; executor: string; jobs: number }>;

/** Wakes who waits for these jobs; the rows have `movedColumns`. */
export function tellMoved(signals: Signals, rows: readonly Row[]): void {
  const ready: ReadyJobs = new Map();
  for (const row of rows) {
    const state = jobStateOf(row);
    if (state === 'pending') countReady(ready, text(row, 'queue'), text(row, 'executor'));
    if (state === 'scheduled') signals.due(integer(row, 'run_at_ms'));
    if (!isEnded(state)) tellExpiry(signals, row);
    if (isEnded(state)) signals.ended(text(row, 'id'));
    else signals.changed(text(row, 'id'));
  }
  for (const { queue, executor, jobs } of ready.values()) signals.ready(queue, executor, jobs);
}

/** A job put back may have passed its time while a worker held it. */
function tellExpiry(signals: Signals, row: Row): void {
  const expiresAtMs = integerOrNull(row, 'expires_at_ms');
  if (expiresAtMs !== null) signals.due(expiresAtMs);
}

/** Counts one more job of this queue and executor. */
export function countReady(ready: ReadyJobs, queue: string, executor: string): void {
  const key = `${queue} ${executor}`;
  const seen = ready.get(key);
  if (seen === undefined) ready.set(key, { queue, executor, jobs: 1 });
  else seen.jobs++;
}
