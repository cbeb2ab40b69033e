/** What becomes of jobs over the limit of their key, in a queue that does not let them wait. */
import { heldStates } from '../../domain/job.ts';
import { limits } from '../../domain/limits.ts';
import { define, literals } from './define.ts';
import { jobColumns } from './jobs.ts';

/** Jobs of the same key that were there before the new one and are not being stopped. */
const others = `other.seq IN (
    SELECT seq FROM jobs INDEXED BY jobs_by_key
    WHERE queue = fresh.queue AND waits_for_key IN (0, 1) AND concurrency_key = fresh.concurrency_key
      AND state = 'pending'
    UNION ALL SELECT seq FROM jobs INDEXED BY jobs_held_by_key
    WHERE queue = fresh.queue AND concurrency_key = fresh.concurrency_key
      AND state IN (${literals(heldStates)}))
  AND other.seq < fresh.seq AND other.cancel_requested_at_ms IS NULL`;

/**
 * Right after a job with a concurrency key was inserted: when its key is full, ends by the policy of its queue this
 * job, or so many of the oldest that there is room for it. One that runs is asked to stop. `nowMs` is that of the
 * insert, so that the same again does nothing.
 */
export const applyKeyPolicy = define<{ id: string; nowMs: number }>(
  'keyPolicy.apply',
  `UPDATE jobs SET state = CASE state WHEN 'running' THEN state ELSE 'cancelled' END,
     reason = CASE state WHEN 'running' THEN NULL ELSE 'cancelled' END,
     exit_code = NULL, signal = NULL, message = NULL, cancel_requested_at_ms = :nowMs,
     cancel_reason = CASE id WHEN :id THEN 'its key is full: the queue has the key policy cancel_newest'
       ELSE 'job ' || :id || ' of the same key came: the queue has the key policy cancel_oldest' END,
     cancelled_by = 'queue key policy',
     ended_at_ms = CASE state WHEN 'running' THEN NULL ELSE :nowMs END, updated_at_ms = :nowMs
   WHERE seq IN (
     SELECT CASE policy WHEN 'cancel_newest' THEN fresh_seq ELSE seq END FROM (
       SELECT fresh.seq AS fresh_seq, other.seq, s.key_policy AS policy,
         row_number() OVER (ORDER BY other.seq) AS age, count(*) OVER () - s.key_concurrency_max AS over
       FROM jobs AS fresh
       CROSS JOIN queues AS s ON s.name = fresh.queue
         AND s.key_policy <> 'wait' AND s.key_concurrency_max IS NOT NULL
       CROSS JOIN jobs AS other
       WHERE fresh.id = :id AND +fresh.state = 'pending' AND +fresh.created_at_ms = :nowMs AND ${others})
     WHERE age <= over + 1 AND age <= ${limits.jobsPerStep})
   RETURNING ${jobColumns}`,
);
