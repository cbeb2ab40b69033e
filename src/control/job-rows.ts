/** Finds one job by its id or a unique start of it, and says why a command could not change it. */
import { BlixardError } from '../domain/errors.ts';
import { isUuidV7 } from '../domain/ids.ts';
import { assertJobTransition, isEnded, type JobState } from '../domain/job.ts';
import type { Database, Row } from '../store/database.ts';
import { text } from '../store/statements/columns.ts';
import { idsBetween, jobById } from '../store/statements/jobs.ts';
import { jobStateOf } from './views.ts';

/** Ids named when a start is not unique. */
const matchesShown = 5;

/** The id itself, or the only id that starts with it. Throws JOB_NOT_FOUND or JOB_ID_AMBIGUOUS. */
export async function resolveJobId(db: Database, idOrPrefix: string): Promise<string> {
  if (isUuidV7(idOrPrefix)) return idOrPrefix;
  // `g` comes after every character of an id.
  const range = { from: idOrPrefix, to: `${idOrPrefix}g`, limit: matchesShown + 1 };
  const matches = (await db.query(idsBetween.with(range))).map((row) => text(row, 'id'));
  const [first] = matches;
  if (first === undefined) throw new BlixardError('JOB_NOT_FOUND', { jobId: idOrPrefix });
  if (matches.length === 1) return first;
  const shown = matches.slice(0, matchesShown).join(', ');
  throw new BlixardError('JOB_ID_AMBIGUOUS', {
    prefix: idOrPrefix,
    matches: matches.length > matchesShown ? `${shown}, …` : shown,
  });
}

/** The row of a job, with `jobColumns`. Throws JOB_NOT_FOUND. */
export async function readJob(db: Database, id: string): Promise<Row> {
  const [row] = await db.query(jobById.with({ id }), { level: 'linearizable' });
  if (row === undefined) throw new BlixardError('JOB_NOT_FOUND', { jobId: id });
  return row;
}

/**
 * Why a user's guarded step changed nothing: JOB_INVALID_TRANSITION, or OVERLOADED when another write has
 * made the step possible in between.
 */
export function refusedStep(row: Row, to: JobState): BlixardError {
  const jobId = text(row, 'id');
  const from = jobStateOf(row);
  assertJobTransition(jobId, from, to);
  // The table has steps back to a waiting state that only a worker's report, or its loss, makes.
  if (!isEnded(from) && to !== 'cancelled')
    return new BlixardError('JOB_INVALID_TRANSITION', { jobId, from, to, allowed: 'cancelled' });
  return new BlixardError('OVERLOADED', { problem: `job ${jobId} is being changed by somebody else` });
}
