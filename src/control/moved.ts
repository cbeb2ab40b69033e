/** Tells the rest of the process of jobs that have moved from one state to another. */
import { isEnded } from '../domain/job.ts';
import type { Row } from '../store/database.ts';
import { integer, text } from '../store/statements/columns.ts';
import type { Signals } from './signals.ts';
import { jobStateOf } from './views.ts';

/** Wakes who waits for these jobs; the rows have `movedColumns`. */
export function tellMoved(signals: Signals, rows: readonly Row[]): void {
  const ready = new Map<string, { queue: string; executor: string; jobs: number }>();
  for (const row of rows) {
    const state = jobStateOf(row);
    if (state === 'pending') countReady(ready, text(row, 'queue'), text(row, 'executor'));
    if (state === 'scheduled') signals.due(integer(row, 'run_at_ms'));
    if (isEnded(state)) signals.ended(text(row, 'id'));
    else signals.changed(text(row, 'id'));
  }
  for (const { queue, executor, jobs } of ready.values()) signals.ready(queue, executor, jobs);
}

function countReady(
  ready: Map<string, { queue: string; executor: string; jobs: number }>,
  queue: string,
  executor: string,
): void {
  const key = `${queue} ${executor}`;
  const seen = ready.get(key);
  if (seen === undefined) ready.set(key, { queue, executor, jobs: 1 });
  else seen.jobs++;
}
