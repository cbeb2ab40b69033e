/** What jobs tell: progress, results, and which artifacts there are; written only by who holds the attempt. */
import { heldStates } from '../../domain/job.ts';
import { limits } from '../../domain/limits.ts';
import { define, literals } from './define.ts';

type OfAttempt = { id: string; attempt: number };
type OfHolder = OfAttempt & { workerId: string; generation: number };

const heldByWorker = `id = :id AND +attempt = :attempt AND +worker_id = :workerId
  AND +worker_generation = :generation AND +state IN (${literals(heldStates)})`;

/** How far the attempt is; the newest counts. */
export const putProgress = define<OfHolder & { percent: number | null; message: string; nowMs: number }>(
  'results.putProgress',
  `INSERT INTO job_progress (job_id, attempt, percent, message, told, at_ms)
   SELECT id, attempt, :percent, :message, 1, :nowMs FROM jobs WHERE ${heldByWorker}
   ON CONFLICT (job_id) DO UPDATE SET percent = excluded.percent, message = excluded.message, at_ms = excluded.at_ms,
     told = CASE WHEN job_progress.attempt = excluded.attempt THEN told + 1 ELSE 1 END, attempt = excluded.attempt
   RETURNING at_ms`,
);

/** The result of the attempt, in place of that of any before. */
export const putResult = define<OfHolder & { result: string; nowMs: number }>(
  'results.putResult',
  `INSERT INTO job_results (job_id, attempt, result, at_ms)
   SELECT id, attempt, :result, :nowMs FROM jobs WHERE ${heldByWorker}
   ON CONFLICT (job_id) DO UPDATE SET attempt = excluded.attempt, result = excluded.result, at_ms = excluded.at_ms
   RETURNING at_ms`,
);

/** The result of this attempt. */
export const resultOf = define<OfAttempt>(
  'results.resultOf',
  'SELECT result FROM job_results WHERE job_id = :id AND +attempt = :attempt',
);

/** An artifact whose file is whole and on disk, as far as the attempt may have more. */
export const putArtifact = define<OfHolder & { name: string; size: number; hash: string; nowMs: number }>(
  'results.putArtifact',
  `INSERT INTO artifacts (job_id, attempt, name, size, sha256, at_ms)
   SELECT id, attempt, :name, :size, :hash, :nowMs FROM jobs WHERE ${heldByWorker}
     AND (SELECT count(*) < ${limits.artifactsMax} AND coalesce(sum(size), 0) + :size <= ${limits.artifactsBytes}
          FROM artifacts WHERE job_id = :id AND artifacts.attempt = :attempt)
   ON CONFLICT (job_id, attempt, name) DO NOTHING
   RETURNING name`,
);

/** One artifact. */
export const artifactNamed = define<OfAttempt & { name: string }>(
  'results.artifactNamed',
  'SELECT name, size, sha256 FROM artifacts WHERE job_id = :id AND attempt = :attempt AND name = :name',
);

/** The artifacts of an attempt, by name. */
export const artifactsOf = define<OfAttempt & { limit: number }>(
  'results.artifactsOf',
  `SELECT name, size, sha256 FROM artifacts WHERE job_id = :id AND attempt = :attempt
   ORDER BY name LIMIT +:limit`,
);
