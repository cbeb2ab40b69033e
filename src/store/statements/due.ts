/** Scheduled jobs that become due. */
import { define } from './define.ts';
import { movedColumns } from './work.ts';

/** Due jobs become ready, the longest due first. */
export const promoteDue = define<{ nowMs: number; limit: number }>(
  'due.promote',
  `UPDATE jobs SET state = 'pending', updated_at_ms = :nowMs
   WHERE seq IN (
     SELECT seq FROM jobs INDEXED BY jobs_scheduled WHERE state = 'scheduled' AND run_at_ms <= :nowMs
     ORDER BY run_at_ms, seq LIMIT +:limit)
   RETURNING ${movedColumns}`,
);

/** When the next scheduled job is due, epoch ms; null when none is. */
export const nextDue = define<Record<never, never>>(
  'due.next',
  "SELECT min(run_at_ms) AS run_at_ms FROM jobs INDEXED BY jobs_scheduled WHERE state = 'scheduled'",
);
