/** The events of everything, in the order in which they happened. */
import { define } from './define.ts';

/** Of the job; an event whose job is gone, or that has none, may name it itself. */
const queueOfEvent =
  "coalesce((SELECT queue FROM jobs WHERE jobs.id = events.job_id), events.data->>'queue')";
const eventColumns = `seq, at_ms, kind, job_id, attempt, worker_id, data, ${queueOfEvent} AS queue`;

/** Number of the newest event; null when there is none. */
export const newestEvent = define<Record<never, never>>(
  'events.newest',
  'SELECT max(seq) AS seq FROM events',
);

/**
 * The events after one and up to another, oldest first, whose kind lies from `kindFrom` to `kindTo`, of one queue if
 * given. What does not pass costs next to nothing: a filter has to get past every event there is.
 */
export const eventsBetween = define<{
  after: number;
  until: number;
  kindFrom: string;
  kindTo: string;
  queue: string | null;
}>(
  'events.between',
  `SELECT ${eventColumns} FROM events
   WHERE seq > :after AND seq <= :until AND kind >= :kindFrom AND kind < :kindTo
     AND (:queue IS NULL OR ${queueOfEvent} = :queue)
   ORDER BY seq`,
);

/** The events of one job after one, oldest first. */
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
