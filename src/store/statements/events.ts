/** The events of everything, in the order in which they happened. */
import { define } from './define.ts';
import { eachEvent, eventColumns, eventJob, eventNumber, numberedBetween } from './event-sets.ts';

/** Of a job that is gone: its newest event tells it, and no other of it is kept longer. */
const queueOfGone = (job: string): string =>
  `(SELECT gone.data->>'queue' FROM events AS gone INDEXED BY events_by_job
    WHERE gone.job_id = ${job} AND gone.kind = 'job.forgotten' ORDER BY gone.seq DESC LIMIT 1)`;

/** Of the job; an event that has none may name it itself. */
const queueOfEvent = `coalesce((SELECT queue FROM jobs WHERE jobs.id = ${eventJob}), log.data->>'queue',
  ${queueOfGone(eventJob)})`;

/** Number of the newest event; null when there is none. */
export const newestEvent = define<Record<never, never>>(
  'events.newest',
  'SELECT max(seq) AS seq FROM events',
);

/** Number of the oldest event that is kept, which may be the first of a set. */
export const oldestEvent = define<Record<never, never>>(
  'events.oldest',
  'SELECT seq - job_count + 1 AS seq FROM events WHERE seq > 0 ORDER BY events.seq LIMIT 1',
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
  `SELECT ${eventColumns}, ${queueOfEvent} AS queue FROM ${eachEvent('events')}
   WHERE ${numberedBetween(':after', ':until')} AND log.kind >= :kindFrom AND log.kind < :kindTo
     AND (:queue IS NULL OR ${queueOfEvent} = :queue)
   ORDER BY log.seq, each.key`,
);

/** When a job was submitted, claimed and completed: a set that tells of it has one of these times. */
const timesOfSets = `SELECT created_at_ms AS at_ms FROM jobs WHERE id = :jobId
  UNION SELECT claimed_at_ms FROM jobs WHERE id = :jobId AND claimed_at_ms IS NOT NULL
  UNION SELECT ended_at_ms FROM jobs WHERE id = :jobId AND state = 'completed'
  UNION SELECT claimed_at_ms FROM past_attempts WHERE job_id = :jobId`;

/** The events of one job after one, oldest first. */
export const eventsOfJob = define<{ jobId: string; after: number; limit: number }>(
  'events.ofJob',
  `SELECT seq, at_ms, kind, job_id, attempt, worker_id, data,
     coalesce((SELECT queue FROM jobs WHERE jobs.id = :jobId), data->>'queue', ${queueOfGone(':jobId')}) AS queue
   FROM (
     SELECT seq, at_ms, kind, job_id, attempt, worker_id, data FROM events INDEXED BY events_by_job
     WHERE job_id = :jobId AND seq > :after
     UNION ALL
     SELECT ${eventColumns} FROM (${timesOfSets}) AS told CROSS JOIN ${eachEvent('events')}
     WHERE log.at_ms = told.at_ms AND log.jobs IS NOT NULL AND each.value->>0 = :jobId AND ${eventNumber} > :after)
   ORDER BY seq LIMIT +:limit`,
);

/** One event. */
export const eventBySeq = define<{ seq: number }>(
  'events.bySeq',
  `SELECT ${eventColumns}, ${queueOfEvent} AS queue
   FROM ${eachEvent('(SELECT * FROM events WHERE seq >= :seq ORDER BY seq LIMIT 1)')}
   WHERE ${eventNumber} = :seq`,
);
