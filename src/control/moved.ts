/** Tells the rest of the process of jobs that have moved from one state to another. */
import type { JobSpec } from '../contract/job.ts';
import { isEnded } from '../domain/job.ts';
import type { Row } from '../store/database.ts';
import { integer, integerOrNull, json, text, textOrNull } from '../store/statements/columns.ts';
import type { Signals } from './signals.ts';
import { jobStateOf } from './views.ts';

/** How many jobs of a queue and an executor may be claimed; an executor of null is any. */
export interface ReadyCount {
  readonly queue: string;
  readonly executor: string | null;
  jobs: number;
}

/** By queue and executor. */
export type ReadyJobs = Map<string, ReadyCount>;

/** Wakes who waits for these jobs, or for the room they leave; the rows have `movedColumns`. */
export function tellMoved(signals: Signals, rows: readonly Row[]): void {
  const calls: ReadyJobs = new Map();
  for (const row of rows) {
    const state = jobStateOf(row);
    const queue = text(row, 'queue');
    // In the place of this one, another job of its key or queue may be ready now, of whatever executor.
    if (leavesRoom(row)) countReady(calls, queue, null);
    else if (state === 'pending') countReady(calls, queue, text(row, 'executor'));
    if (state === 'scheduled') signals.due(integer(row, 'run_at_ms'));
    if (!isEnded(state)) tellExpiry(signals, row);
    if (isEnded(state)) tellEnded(signals, text(row, 'id'), textOrNull(row, 'group_name'));
    else signals.changed(text(row, 'id'));
  }
  for (const { queue, executor, jobs } of calls.values()) signals.ready(queue, executor, jobs);
  if (rows.some((row) => row['is_waited_for'] === 1 && isEnded(jobStateOf(row)))) signals.parentEnded();
}

/** The same of one job that a user's command has ended; the row has `jobColumns`. */
export function tellEndedByCommand(signals: Signals, row: Row): void {
  tellEnded(signals, text(row, 'id'), json<JobSpec>(row, 'spec').group ?? null);
  signals.parentEnded();
}

function tellEnded(signals: Signals, id: string, group: string | null): void {
  signals.ended(id);
  if (group !== null) signals.groupMoved(group);
}

function leavesRoom(row: Row): boolean {
  return row['concurrency_key'] !== null || row['limited'] === 1;
}

/** A job put back may have passed its time while a worker held it. */
function tellExpiry(signals: Signals, row: Row): void {
  const expiresAtMs = integerOrNull(row, 'expires_at_ms');
  if (expiresAtMs !== null) signals.due(expiresAtMs);
}

/** Counts one more job of this queue and executor; gives their count. */
export function countReady(ready: ReadyJobs, queue: string, executor: string | null): ReadyCount {
  const key = `${queue} ${executor ?? ''}`;
  const count = ready.get(key) ?? { queue, executor, jobs: 0 };
  if (count.jobs === 0) ready.set(key, count);
  count.jobs++;
  return count;
}
