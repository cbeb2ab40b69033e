/** Scheduled jobs that become due. */
import { define } from './define.ts';
import { movedColumns } from './work.ts';

/** In the words of the index. */
const expiring =
  "expires_at_ms IS NOT NULL AND (state = 'blocked' OR state = 'scheduled' OR state = 'pending')";

/** Due jobs become ready, the longest due first. */
export const promoteDue = define<{ nowMs: number; limit: number }>(
  'due.promote',
  `UPDATE jobs SET state = 'pending', updated_at_ms = :nowMs
   WHERE seq IN (
     SELECT seq FROM jobs INDEXED BY jobs_scheduled WHERE state = 'scheduled' AND run_at_ms <= :nowMs
     ORDER BY run_at_ms, seq LIMIT +:limit)
   RETURNING ${movedColumns}`,
);

/** Waiting jobs whose time to be started is over fail, the longest over first. */
export const failExpired = define<{ nowMs: number; limit: number }>(
  'due.failExpired',
  `UPDATE jobs SET state = 'failed', reason = 'expired', exit_code = NULL, signal = NULL,
     message = 'It was not started in time.', ended_at_ms = :nowMs, updated_at_ms = :nowMs
   WHERE seq IN (
     SELECT seq FROM jobs INDEXED BY jobs_expiring
     WHERE ${expiring} AND expires_at_ms <= :nowMs
     ORDER BY expires_at_ms, seq LIMIT +:limit)
   RETURNING ${movedColumns}`,
);

/**
 * When the next scheduled job is due, when the next waiting one expires, and when the next rate has a token again,
 * epoch ms; null when none does.
 */
export const nextDue = define<Record<never, never>>(
  'due.next',
  `SELECT (SELECT min(run_at_ms) FROM jobs INDEXED BY jobs_scheduled WHERE state = 'scheduled') AS run_at_ms,
     (SELECT min(expires_at_ms) FROM jobs INDEXED BY jobs_expiring WHERE ${expiring}) AS expires_at_ms,
     (SELECT min(opens_at_ms) FROM rates INDEXED BY rates_opening WHERE opens_at_ms IS NOT NULL) AS opens_at_ms`,
);
