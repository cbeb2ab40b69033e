/** Forgetting: ended jobs with all that is theirs (a trigger takes it along), their logs, and old events. */
import { endedStates, jobMachine } from '../../domain/job.ts';
import { define, literals } from './define.ts';

const ended = `state IN (${literals(endedStates)})`;

/** Jobs of a queue that ended in a state, up to a time, the longest ended first. */
export const forgetEnded = define<{
  queue: string;
  state: string;
  beforeMs: number;
  limit: number;
  nowMs: number;
}>(
  'forget.ended',
  `UPDATE jobs SET forgotten_at_ms = :nowMs WHERE seq IN (
     SELECT seq FROM jobs INDEXED BY jobs_ended
     WHERE queue = :queue AND state = :state AND ended_at_ms <= :beforeMs
     ORDER BY ended_at_ms, seq LIMIT +:limit)
   RETURNING id`,
);

/** One job, if it has ended. */
export const forgetJob = define<{ id: string; nowMs: number }>(
  'forget.job',
  `UPDATE jobs SET forgotten_at_ms = :nowMs WHERE id = :id AND +${ended} RETURNING id`,
);

const firstEndedOf = (state: string): string =>
  `(SELECT min(ended_at_ms) FROM jobs INDEXED BY jobs_ended
    WHERE jobs.queue = c.queue AND jobs.state = '${state}' AND jobs.ended_at_ms IS NOT NULL) AS first_${state}_at_ms`;

const firstEndedIn = (queues: string): string =>
  `SELECT c.queue, s.name, s.completed_ms, s.failed_ms, s.cancelled_ms, ${endedStates.map(firstEndedOf).join(', ')}
   FROM queue_counts AS c LEFT JOIN queues AS s ON s.name = c.queue
   WHERE ${queues} AND c.completed + c.failed + c.cancelled > 0`;

/** Each queue with ended jobs, by name: when the first of each state ended, and how long the queue keeps such. */
export const firstEnded = define<{ after: string; limit: number }>(
  'forget.firstEnded',
  `${firstEndedIn('c.queue > :after')} ORDER BY c.queue LIMIT +:limit`,
);

/** The same of one queue. */
export const firstEndedOfQueue = define<{ queue: string }>(
  'forget.firstEndedOfQueue',
  firstEndedIn('c.queue = :queue'),
);

/** Jobs that are gone and whose logs may not be, without those of a JSON list of ids. */
export const logsToRemove = define<{ without: string; limit: number }>(
  'forget.logsToRemove',
  `SELECT job_id FROM logs_to_remove
   WHERE job_id > '' AND job_id NOT IN (SELECT value FROM json_each(:without)) ORDER BY job_id LIMIT +:limit`,
);

/** Those of a JSON list of ids that are the ids of jobs that are gone and whose logs may not be. */
export const logsLeftOf = define<{ ids: string; limit: number }>(
  'forget.logsLeftOf',
  `SELECT job_id FROM logs_to_remove WHERE job_id IN (SELECT value FROM json_each(:ids))
   ORDER BY job_id LIMIT +:limit`,
);

/** The logs of these jobs, a JSON list of ids, are gone; those that answers to submits still name stay on the list. */
export const logsRemoved = define<{ ids: string }>(
  'forget.logsRemoved',
  `DELETE FROM logs_to_remove WHERE job_id IN (SELECT value FROM json_each(:ids)) AND NOT EXISTS (
     SELECT 1 FROM submit_answers INDEXED BY submit_answers_by_job
     WHERE submit_answers.job_id = logs_to_remove.job_id)`,
);

/** The oldest events. */
export const oldestEvents = define<{ limit: number }>(
  'forget.oldestEvents',
  'SELECT seq, at_ms FROM events WHERE seq > 0 ORDER BY seq LIMIT +:limit',
);

/** The events before one: what is left has no gap. */
export const forgetEvents = define<{ before: number }>(
  'forget.events',
  'DELETE FROM events WHERE seq < :before',
);

/**
 * Goes before `forgetEvents`: the totals of queues that have no jobs any more, and of which those events told that one
 * was forgotten. So an empty queue is known for as long as such events are kept, at most.
 */
export const forgetEmptyQueues = define<{ before: number }>(
  'forget.emptyQueues',
  `DELETE FROM queue_counts
   WHERE queue IN (SELECT data->>'queue' FROM events WHERE seq < :before AND kind = 'job.forgotten')
     AND ${jobMachine.states.join(' + ')} = 0`,
);
