/**
 * The life of a worker: register, drain, leave, lose its lease; what it held is put back in the same batch.
 */
import { heldStates } from '../../domain/job.ts';
import { infraFailuresMax } from '../../domain/limits.ts';
import { workerMachine } from '../../domain/worker.ts';
import { define, literals } from './define.ts';
import { movedColumns } from './work.ts';

const held = `state IN (${literals(heldStates)})`;
const leased = `state IN (${literals(workerMachine.sourcesOf('offline'))})`;

const workerColumns = `
  id, state, generation, name, version, pid, slots, queues, executors, registered_at_ms, lease_until_ms,
  (SELECT json_group_array(json_object('name', name, 'digest', digest))
   FROM worker_images WHERE worker_images.worker_id = workers.id) AS images,
  (SELECT count(*) FROM jobs INDEXED BY jobs_held
   WHERE jobs.worker_id = workers.id AND jobs.${held}) AS held`;

/** The generation in force was made by this very registration, which comes a second time. */
const sameAgain = "registration IS excluded.registration AND registration IS NOT NULL AND state <> 'offline'";

/** A worker joins, or comes back as a new generation; the same registration again makes none. */
export const registerWorker = define<{
  id: string;
  name: string;
  version: string;
  pid: number;
  slots: number;
  queues: string;
  executors: string;
  registration: string | null;
  nowMs: number;
  leaseUntilMs: number;
}>(
  'workers.register',
  `INSERT INTO workers (id, generation, state, name, version, pid, slots, queues, executors,
     registration, registered_at_ms, updated_at_ms, lease_until_ms)
   VALUES (:id, 1, 'online', :name, :version, :pid, :slots, :queues, :executors,
     :registration, :nowMs, :nowMs, :leaseUntilMs)
   ON CONFLICT (id) DO UPDATE SET generation = generation + (CASE WHEN ${sameAgain} THEN 0 ELSE 1 END),
     state = CASE WHEN ${sameAgain} THEN state ELSE 'online' END, name = excluded.name,
     version = excluded.version, pid = excluded.pid, slots = excluded.slots, queues = excluded.queues,
     executors = excluded.executors, registration = excluded.registration,
     registered_at_ms = excluded.registered_at_ms,
     updated_at_ms = excluded.updated_at_ms, lease_until_ms = excluded.lease_until_ms
   RETURNING generation, lease_until_ms`,
);

/** What a worker can run has changed. */
export const tellExecutors = define<{
  workerId: string;
  generation: number;
  executors: string;
  nowMs: number;
}>(
  'workers.tellExecutors',
  `UPDATE workers SET executors = :executors, updated_at_ms = :nowMs
   WHERE id = :workerId AND generation = :generation AND ${leased}`,
);

/** Forgets the images of a worker. */
export const deleteImages = define<{ workerId: string }>(
  'workers.deleteImages',
  'DELETE FROM worker_images WHERE worker_id = :workerId',
);

/** The images of a worker: `[{image, name, digest}]`; `image` is the full name. */
export const insertImages = define<{ workerId: string; images: string }>(
  'workers.insertImages',
  `INSERT INTO worker_images (image, worker_id, name, digest)
   SELECT d.value->>'image', :workerId, d.value->>'name', d.value->>'digest' FROM json_each(:images) AS d
   WHERE true ON CONFLICT (image, worker_id) DO NOTHING`,
);

/**
 * Puts back what a worker holds although it is offline or has a newer generation: the decision of
 * `decideEnd` for `worker_lost`, which needs no chance and so can be taken here.
 */
export const putBack = define<{ workerId: string; nowMs: number }>(
  'workers.putBack',
  `UPDATE jobs SET
     state = CASE WHEN cancel_requested_at_ms IS NOT NULL THEN 'cancelled'
                  WHEN infra_failures + 1 >= ${infraFailuresMax} THEN 'failed' ELSE 'pending' END,
     ended_at_ms = CASE WHEN cancel_requested_at_ms IS NOT NULL THEN :nowMs
                        WHEN infra_failures + 1 >= ${infraFailuresMax} THEN :nowMs ELSE NULL END,
     infra_failures = infra_failures + 1, reason = 'worker_lost', exit_code = NULL, signal = NULL,
     message = NULL, updated_at_ms = :nowMs
   WHERE seq IN (
     SELECT lost.seq FROM workers AS w CROSS JOIN jobs AS lost INDEXED BY jobs_held
     WHERE w.id = :workerId AND lost.worker_id = w.id AND lost.${held}
       AND (w.state = 'offline' OR lost.worker_generation < w.generation))
   RETURNING ${movedColumns}`,
);

/** An online worker gets no more jobs; with a generation, only that one. */
export const drainWorker = define<{ id: string; generation: number | null; nowMs: number }>(
  'workers.drain',
  `UPDATE workers SET state = 'draining', updated_at_ms = :nowMs
   WHERE id = :id AND state IN (${literals(workerMachine.sourcesOf('draining'))})
     AND generation = coalesce(:generation, generation)`,
);

/** A worker leaves by itself or by an operator; with a generation, only that one. */
export const removeWorker = define<{ id: string; generation: number | null; nowMs: number }>(
  'workers.remove',
  `UPDATE workers SET state = 'offline', updated_at_ms = :nowMs
   WHERE id = :id AND ${leased} AND generation = coalesce(:generation, generation)
   RETURNING id`,
);

/** A worker whose lease is over goes offline, unless it was renewed meanwhile. */
export const expireWorker = define<{ id: string; nowMs: number }>(
  'workers.expire',
  `UPDATE workers SET state = 'offline', updated_at_ms = :nowMs
   WHERE id = :id AND ${leased} AND lease_until_ms <= :nowMs
   RETURNING id`,
);

/** Of the first workers that are offline, those that have been for long; what they held was put back when they went. */
const longGone = `id IN (
  SELECT id FROM workers INDEXED BY workers_by_state WHERE state = 'offline' ORDER BY id LIMIT +:limit)
  AND +updated_at_ms <= :beforeMs`;

/** Forgets the images of workers that were offline for long; before the workers. */
export const forgetLongGoneImages = define<{ beforeMs: number; limit: number }>(
  'workers.forgetLongGoneImages',
  `DELETE FROM worker_images WHERE worker_id IN (SELECT id FROM workers WHERE ${longGone})`,
);

/** Forgets workers that were offline for long. */
export const forgetLongGone = define<{ beforeMs: number; limit: number }>(
  'workers.forgetLongGone',
  `DELETE FROM workers WHERE ${longGone}`,
);

/** One worker. */
export const workerById = define<{ id: string }>(
  'workers.byId',
  `SELECT ${workerColumns} FROM workers WHERE id = :id`,
);

/** The workers of one state, newest first. */
export const workersInState = define<{ state: string; limit: number }>(
  'workers.inState',
  `SELECT ${workerColumns} FROM workers INDEXED BY workers_by_state
   WHERE state = :state ORDER BY id DESC LIMIT +:limit`,
);

/** How many workers are online. */
export const countOnline = define<Record<never, never>>(
  'workers.countOnline',
  "SELECT count(*) AS n FROM workers INDEXED BY workers_by_state WHERE state = 'online'",
);

/** Workers whose lease is over, the longest over first. */
export const overdueWorkers = define<{ nowMs: number; limit: number }>(
  'workers.overdue',
  `SELECT id FROM workers INDEXED BY workers_leased WHERE ${leased} AND lease_until_ms <= :nowMs
   ORDER BY lease_until_ms, id LIMIT +:limit`,
);

/** The leases that end after the one given, the next to end first. */
export const leasesAfter = define<{ untilMs: number; id: string; limit: number }>(
  'workers.leasesAfter',
  `SELECT id, lease_until_ms FROM workers INDEXED BY workers_leased
   WHERE ${leased} AND (lease_until_ms, id) > (:untilMs, :id)
   ORDER BY lease_until_ms, id LIMIT +:limit`,
);

/** Full names of images that workers have told. */
export const knownImages = define<{ limit: number }>(
  'workers.knownImages',
  "SELECT DISTINCT image FROM worker_images WHERE image > '' ORDER BY image LIMIT +:limit",
);
