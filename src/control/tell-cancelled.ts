/** Tells the rest of the process of a job that was cancelled, or is asked to stop. */
import type { JobSpec } from '../contract/job.ts';
import type { Row } from '../store/database.ts';
import { integer, json, text } from '../store/statements/columns.ts';
import { tellEndedByCommand } from './moved.ts';
import type { Signals } from './signals.ts';
import { jobStateOf } from './views.ts';

/** The row has `jobColumns`. */
export function tellCancelled(signals: Signals, row: Row): void {
  const id = text(row, 'id');
  // What it held, or was next for, goes to another job of its queue.
  if (row['worker_id'] !== null || json<JobSpec>(row, 'spec').concurrencyKey !== undefined)
    signals.room(text(row, 'queue'));
  // A claim that was never started has this worker, too: it may be booting a VM for it.
  if (row['worker_id'] !== null)
    signals.cancel(text(row, 'worker_id'), { jobId: id, attempt: integer(row, 'attempt') });
  if (jobStateOf(row) === 'cancelled') tellEndedByCommand(signals, row);
  else signals.changed(id);
}
