/** All that the replays of the verifier read, page by page: what they know of the schema stands here and in `rules`. */

import { limits } from '../../domain/limits.ts';
import type { Database, Row, SqlValue } from '../database.ts';
import { integer, text } from '../statements/columns.ts';
import { define, type NamedStatement } from '../statements/define.ts';
import { eachEvent, eventColumns, eventJob, numberedBetween } from '../statements/event-sets.ts';

/** A store that is only read; every query of one verification should see the same state. */
export type StoreReader = Pick<Database, 'query'>;

/** How much there is of what the rules look at. */
export const sizes = define<Record<never, never>>(
  'verify.sizes',
  `SELECT (SELECT count(*) FROM jobs) AS jobs, (SELECT count(*) FROM past_attempts)
     + (SELECT count(*) FROM jobs WHERE claimed_at_ms IS NOT NULL) AS attempts,
     (SELECT count(*) FROM workers) AS workers, (SELECT count(*) FROM queues) AS queues,
     (SELECT count(*) FROM schedules) AS schedules, (SELECT count(*) FROM webhooks) AS webhooks,
     (SELECT coalesce(sum(job_count), 0) FROM events) AS events,
     coalesce((SELECT seq - job_count + 1 FROM events ORDER BY seq LIMIT 1), 1) AS first_event,
     (SELECT coalesce(max(seq), 0) FROM events) AS last_event`,
);

const eventsInOrder = define<{ after: number; until: number }>(
  'verify.eventsInOrder',
  `SELECT ${eventColumns}, jobs.queue, jobs.concurrency_key
   FROM ${eachEvent('events')} LEFT JOIN jobs ON jobs.id = ${eventJob}
   WHERE ${numberedBetween(':after', ':until')} ORDER BY log.seq, each.key`,
);

const jobsById = define<{ after: string; limit: number }>(
  'verify.jobsById',
  'SELECT id, state, attempt, worker_id, reason FROM jobs WHERE id > :after ORDER BY id LIMIT +:limit',
);

const workersById = define<{ after: string; limit: number }>(
  'verify.workersById',
  'SELECT id, generation, state FROM workers WHERE id > :after ORDER BY id LIMIT +:limit',
);

const queuesByName = define<{ after: string; limit: number }>(
  'verify.queuesByName',
  `SELECT name, paused, concurrency_max, key_concurrency_max FROM queues
   WHERE name > :after ORDER BY name LIMIT +:limit`,
);

/**
 * Whether a job is there, is known to be gone, and how many attempts it had; for what lies outside the store. What
 * happened before `known_from_ms` may be forgotten among the events; null when nothing is.
 */
export const traceOfJob = define<{ id: string; attempt: number }>(
  'verify.traceOfJob',
  `SELECT (SELECT attempt FROM jobs WHERE id = :id) AS attempts,
     (SELECT count(*) FROM past_attempts WHERE job_id = :id AND attempt = :attempt
        AND started_at_ms IS NOT NULL) + (SELECT count(*) FROM jobs WHERE id = :id AND attempt = :attempt
        AND claimed_at_ms IS NOT NULL AND started_at_ms IS NOT NULL) AS started,
     EXISTS (SELECT 1 FROM logs_to_remove WHERE job_id = :id) AS logs_must_go,
     EXISTS (SELECT 1 FROM events INDEXED BY events_by_job
       WHERE job_id = :id AND kind = 'job.forgotten') AS forgotten,
     (SELECT iif(seq > job_count, at_ms, NULL) FROM events ORDER BY seq LIMIT 1) AS known_from_ms`,
);

/** Every event, in the order in which they happened, with queue and key of its job if that is still there. */
export async function* eventsOf(store: StoreReader): AsyncGenerator<Row> {
  const [size = {}] = await store.query(sizes.with({}));
  const last = integer(size, 'last_event');
  for (let after = integer(size, 'first_event') - 1; after < last; after += limits.verifyPage)
    yield* await store.query(eventsInOrder.with({ after, until: after + limits.verifyPage }));
}

/** Every job, by its id. */
export function jobsOf(store: StoreReader): AsyncGenerator<Row> {
  return paged(store, jobsById, { after: '' }, (row) => ({ after: text(row, 'id') }));
}

/** Every worker. */
export function workersOf(store: StoreReader): AsyncGenerator<Row> {
  return paged(store, workersById, { after: '' }, (row) => ({ after: text(row, 'id') }));
}

/** Every queue that has settings. */
export function queuesOf(store: StoreReader): AsyncGenerator<Row> {
  return paged(store, queuesByName, { after: '' }, (row) => ({ after: text(row, 'name') }));
}

async function* paged<P extends Readonly<Record<string, SqlValue>>>(
  store: StoreReader,
  statement: NamedStatement<P & { limit: number }>,
  first: P,
  placeOf: (row: Row) => P,
): AsyncGenerator<Row> {
  for (let place = first; ; ) {
    const rows = await store.query(statement.with({ ...place, limit: limits.verifyPage }));
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < limits.verifyPage) return;
    place = placeOf(last);
  }
}
