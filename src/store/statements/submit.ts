/** What a submit has to know of, and do to, the jobs that stand in its way: found by id or by key, never by scan. */
import { define } from './define.ts';
import { areStored, imageIsFine, isUnused, jobColumns, type NewJob } from './jobs.ts';

/** The job that has a unique key now. */
export function holderOf(queue: string, key: string): string {
  return `jobs INDEXED BY jobs_unique WHERE queue = ${queue} AND unique_key = ${key} AND ended_at_ms IS NULL`;
}

/** No worker has it yet. */
export const isWaiting = "+state IN ('blocked', 'scheduled', 'pending')";

/** The job may ask for its image, and those it runs after are there. */
export const nothingElseInTheWay = `${imageIsFine(':image', ':executor')} AND ${areStored(':after')}`;

/** Nothing else than the holder of its unique key keeps the new job out. */
const otherwiseFree = `NOT EXISTS (SELECT 1 FROM jobs WHERE id = :id)
  AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_idempotent WHERE idempotency_key = :idempotencyKey)
  AND ${isUnused(':id', ':idempotencyKey')} AND ${nothingElseInTheWay}`;

/** Cancels the waiting holder of a unique key, for the insert that follows in the same batch. */
export const cancelReplaced = define<NewJob>(
  'submit.cancelReplaced',
  `UPDATE jobs SET state = 'cancelled', reason = 'cancelled', exit_code = NULL, signal = NULL, message = NULL,
     cancel_requested_at_ms = :nowMs, cancel_reason = 'replaced by job ' || :id, cancelled_by = 'unique policy',
     ended_at_ms = :nowMs, updated_at_ms = :nowMs
   WHERE seq = (SELECT seq FROM ${holderOf(':queue', ':uniqueKey')})
     AND ${isWaiting} AND ${otherwiseFree}
   RETURNING ${jobColumns}`,
);

/**
 * Moves the start of the waiting holder of a unique key, and its expiry with it, which is not counted from a later try
 * after a failure of the infrastructure; a blocked one stays blocked.
 */
export const postpone = define<NewJob>(
  'submit.postpone',
  `UPDATE jobs SET state = CASE
       WHEN state = 'blocked' THEN state WHEN :runAtMs > :nowMs THEN 'scheduled' ELSE 'pending' END,
     run_at_ms = :runAtMs, updated_at_ms = :nowMs, expires_at_ms = iif(expires_at_ms IS NULL, NULL,
       :runAtMs + (SELECT spec->>'expireInMs' FROM job_data WHERE job_data.seq = jobs.seq))
   WHERE seq = (SELECT seq FROM ${holderOf(':queue', ':uniqueKey')})
     AND ${isWaiting} AND ${otherwiseFree}
   RETURNING ${jobColumns}`,
);

/** The job that was stored with an idempotency key. */
export const jobByIdempotencyKey = define<{ key: string }>(
  'submit.byIdempotencyKey',
  `SELECT ${jobColumns} FROM jobs INDEXED BY jobs_idempotent WHERE idempotency_key = :key`,
);

/** The job that has a unique key of a queue and has not ended. */
export const uniqueHolder = define<{ queue: string; key: string }>(
  'submit.uniqueHolder',
  `SELECT ${jobColumns} FROM ${holderOf(':queue', ':key')}`,
);

/** The unique key of a job, and who has it now, for a job that may have lost it to another. */
export const uniqueHolderOf = define<{ id: string }>(
  'submit.uniqueHolderOf',
  `SELECT other.id, other.queue, other.unique_key
   FROM jobs AS mine CROSS JOIN jobs AS other INDEXED BY jobs_unique
   WHERE mine.id = :id AND other.queue = mine.queue AND other.unique_key = mine.unique_key
     AND other.ended_at_ms IS NULL`,
);

/** 1 when a job of the executor may ask for the image. */
export const imageAllowed = define<{ image: string; executor: string }>(
  'submit.imageAllowed',
  `SELECT ${imageIsFine(':image', ':executor')} AS fine`,
);
