/** The events of everything, in the order in which they happened. */
import { define } from './define.ts';

/** The queue comes from the job; an event whose job is gone, or that has none, may name it itself. */
const eventColumns = `seq, at_ms, kind, job_id, attempt, worker_id, data,
  coalesce((SELECT queue FROM jobs WHERE jobs.id = events.job_id), data->>'queue') AS queue`;

/** Number of the newest event; null when there is none. */
export const newestEvent = define<Record<never, never>>(
  'events.newest',
  'SELECT max(seq) AS seq FROM events',
);

/** The events after the one given, oldest first. */
export const eventsAfter = define<{ after: number; limit: number }>(
  'events.after',
  `SELECT ${eventColumns} FROM events WHERE seq > :after ORDER BY seq LIMIT +:limit`,
);

/** The same of one job. */
export const eventsOfJobAfter = define<{ jobId: string; after: number; limit: number }>(
  'events.ofJobAfter',
  `SELECT ${eventColumns} FROM events INDEXED BY events_by_job
   WHERE job_id = :jobId AND seq > :after ORDER BY seq LIMIT +:limit`,
);

/** One event. */
export const eventBySeq = define<{ seq: number }>(
  'events.bySeq',
  `SELECT ${eventColumns} FROM events WHERE seq = :seq`,
);
