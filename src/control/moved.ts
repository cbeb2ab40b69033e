/** Tells the rest of the process of jobs that have moved from one state to another. */
import { isEnded } from '../domain/job.ts';
import type { Row } from '../store/database.ts';
import { integer, text } from '../store/statements/columns.ts';
import type { Signals } from './signals.ts';
import { jobStateOf } from './views.ts';

type Called = { queue: string; executor: string | null; jobs: number };

/** Wakes who waits for these jobs, or for the room they leave; the rows have `movedColumns`. */
export function tellMoved(signals: Signals, rows: readonly Row[]): void {
  const calls = new Map<string, Called>();
  for (const row of rows) {
    const state = jobStateOf(row);
    const queue = text(row, 'queue');
    // In the place of this one, another job of its key or queue may be ready now, of whatever executor.
    if (leavesRoom(row)) count(calls, queue, null);
    else if (state === 'pending') count(calls, queue, text(row, 'executor'));
    if (state === 'scheduled') signals.due(integer(row, 'run_at_ms'));
    if (isEnded(state)) signals.ended(text(row, 'id'));
    else signals.changed(text(row, 'id'));
  }
  for (const { queue, executor, jobs } of calls.values()) {
    if (executor === null) signals.room(queue, jobs);
    else signals.ready(queue, executor, jobs);
  }
}

function leavesRoom(row: Row): boolean {
  return row['concurrency_key'] !== null || row['limited'] === 1;
}

function count(calls: Map<string, Called>, queue: string, executor: string | null): void {
  const key = `${queue} ${executor ?? ''}`;
  const seen = calls.get(key);
  if (seen === undefined) calls.set(key, { queue, executor, jobs: 1 });
  else seen.jobs++;
}
