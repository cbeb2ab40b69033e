/** Tells when events that are asked for are no longer kept: they are forgotten from the oldest on. */
import { BlixardError } from '../../domain/errors.ts';
import type { Database } from '../../store/database.ts';
import { integer, text } from '../../store/statements/columns.ts';
import { eventsOfJob, oldestEvent } from '../../store/statements/events.ts';

/** Number of the oldest event that is kept; 1 when there was none yet. */
export async function oldestNumber(db: Database): Promise<number> {
  const [row] = await db.query(oldestEvent.with({}), { level: 'linearizable' });
  return row === undefined ? 1 : integer(row, 'seq');
}

/**
 * Number of the oldest event, when some between `after` and it are gone: all there were, or of one job where not even
 * its first event is kept. Null when nothing is missing, as for who starts at 0, at the oldest there is.
 */
export async function goneBefore(db: Database, after: number, jobId?: string): Promise<number | null> {
  if (after === 0) return null;
  const oldest = await oldestNumber(db);
  if (oldest <= after + 1) return null;
  return jobId !== undefined && (await hasItsFirst(db, jobId)) ? null : oldest;
}

/** EVENTS_GONE. */
export function eventsGone(after: number, oldest: number): BlixardError {
  return new BlixardError('EVENTS_GONE', { after, oldest });
}

async function hasItsFirst(db: Database, jobId: string): Promise<boolean> {
  const statement = eventsOfJob.with({ jobId, after: 0, limit: 1 });
  const [first] = await db.query(statement, { level: 'linearizable' });
  return first !== undefined && text(first, 'kind') === 'job.submitted';
}
