/** Queues: their settings, their pause, what is in them, and which jobs of a key are ready under a new limit. */
import { defaults } from '../../domain/defaults.ts';
import { heldStates, isEnded, jobMachine } from '../../domain/job.ts';
import { define, literals } from './define.ts';
import { stateAgain } from './jobs.ts';

const settings = `name, paused, concurrency_max, key_concurrency_max, key_policy, fair_by, weights, rate_max,
  rate_per_ms, key_rate_max, key_rate_per_ms, completed_ms, failed_ms, cancelled_ms, updated_at_ms`;

/** What is set of a queue; null is no limit, or for ever. */
export type QueueValues = {
  concurrencyMax: number | null;
  keyConcurrencyMax: number | null;
  keyPolicy: string;
  fairBy: string;
  /** Which lines its jobs join; see `lines.ts`. */
  linesBy: string;
  /** JSON. */
  weights: string;
  rateMax: number | null;
  ratePerMs: number | null;
  keyRateMax: number | null;
  keyRatePerMs: number | null;
  completedMs: number | null;
  failedMs: number | null;
  cancelledMs: number | null;
};

type Set = QueueValues & { name: string; nowMs: number };

const upsert = `INSERT INTO queues (${settings}, lines_by, rate_since_ms, key_rate_since_ms)
  VALUES (:name, :paused, :concurrencyMax, :keyConcurrencyMax, :keyPolicy, :fairBy, :weights, :rateMax, :ratePerMs,
    :keyRateMax, :keyRatePerMs, :completedMs, :failedMs, :cancelledMs, :nowMs, :linesBy, :nowMs, :nowMs)`;

/** A rate that is set as it is goes on, with its buckets. */
const since = (rate: string): string =>
  `iif(${rate}_max IS excluded.${rate}_max AND ${rate}_per_ms IS excluded.${rate}_per_ms, ${rate}_since_ms,
       excluded.updated_at_ms)`;

/**
 * Sets all of a queue but its pause; `paused` counts only for a queue that has no settings yet. Claims go by lines
 * again once all jobs have joined those that are new.
 */
export const setQueue = define<Set & { paused: number }>(
  'queues.set',
  `${upsert}
   ON CONFLICT (name) DO UPDATE SET concurrency_max = excluded.concurrency_max,
     key_concurrency_max = excluded.key_concurrency_max, key_policy = excluded.key_policy,
     fair_by = excluded.fair_by, weights = excluded.weights, rate_max = excluded.rate_max,
     rate_per_ms = excluded.rate_per_ms, key_rate_max = excluded.key_rate_max,
     key_rate_per_ms = excluded.key_rate_per_ms, rate_since_ms = ${since('rate')},
     key_rate_since_ms = ${since('key_rate')}, lines_by = excluded.lines_by,
     in_lines = in_lines * (lines_by = excluded.lines_by AND lines_by <> 'none'), completed_ms = excluded.completed_ms,
     failed_ms = excluded.failed_ms, cancelled_ms = excluded.cancelled_ms,
     updated_at_ms = excluded.updated_at_ms
   RETURNING lines_by, in_lines`,
);

/** Pauses a queue, or lets it go on; the other values count only for a queue that has no settings yet. */
export const pauseQueue = define<Set & { paused: number }>(
  'queues.pause',
  `${upsert}
   ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, updated_at_ms = excluded.updated_at_ms
   WHERE paused <> excluded.paused`,
);

const unended = jobMachine.states.filter((state) => !isEnded(state)).join(' + ');

/** As the index has it. */
const queueOfSchedule = `coalesce(job->>'queue', '${defaults.queue}')`;

/** None of its jobs is still to end, and no schedule submits to it. */
const isUnused = `NOT EXISTS (SELECT 1 FROM queue_counts WHERE queue = :name AND ${unended} > 0)
  AND NOT EXISTS (SELECT 1 FROM schedules INDEXED BY schedules_by_queue WHERE ${queueOfSchedule} = :name)`;

/** Takes the settings of a queue that is not in use, all in one batch and in this order: told, deleted, its buckets. */
export const deleteQueue = {
  tell: define<{ name: string; nowMs: number }>(
    'queues.tellDeleted',
    `INSERT INTO events (at_ms, kind, data)
     SELECT :nowMs, 'queue.deleted', json_object('queue', name) FROM queues WHERE name = :name AND ${isUnused}`,
  ),
  settings: define<{ name: string }>(
    'queues.delete',
    `DELETE FROM queues WHERE name = :name AND ${isUnused} RETURNING ${settings}`,
  ),
  buckets: define<{ name: string }>(
    'queues.deleteBuckets',
    `DELETE FROM rates WHERE queue = :name AND NOT EXISTS (SELECT 1 FROM queues WHERE name = :name)`,
  ),
};

/** The schedules that submit to a queue, by name. */
export const schedulesOfQueue = define<{ name: string; limit: number }>(
  'queues.schedules',
  `SELECT name FROM schedules INDEXED BY schedules_by_queue
   WHERE ${queueOfSchedule} = :name ORDER BY name LIMIT +:limit`,
);

/** The settings of one queue. */
export const queueByName = define<{ name: string }>(
  'queues.byName',
  `SELECT ${settings} FROM queues WHERE name = :name`,
);

/** The settings of queues by name, from the one after `after`. */
export const queuesAfter = define<{ after: string; limit: number }>(
  'queues.after',
  `SELECT ${settings} FROM queues WHERE name > :after ORDER BY name LIMIT +:limit`,
);

/** A queue and its totals, a column for each state. */
export const countColumns = ['queue', ...jobMachine.states].join(', ');

/** The totals of queues by name that have jobs, from the one after `after`. */
export const countsAfter = define<{ after: string; limit: number }>(
  'queues.countsAfter',
  `SELECT ${countColumns} FROM queue_counts WHERE queue > :after AND ${jobMachine.states.join(' + ')} > 0
   ORDER BY queue LIMIT +:limit`,
);

/** The totals of one queue. */
export const countsOfQueue = define<{ name: string }>(
  'queues.counts',
  `SELECT ${countColumns} FROM queue_counts WHERE queue = :name`,
);

/** When the oldest ready job of a queue was submitted, and when jobs of it last ended; null where there is none. */
export const timesOfQueue = define<{ name: string }>(
  'queues.times',
  `SELECT
     (SELECT created_at_ms FROM jobs INDEXED BY jobs_pending
      WHERE queue = :name AND state = 'pending' ORDER BY seq LIMIT 1) AS oldest_pending_at_ms,
     (SELECT max(ended_at_ms) FROM jobs INDEXED BY jobs_ended
      WHERE queue = :name AND state = 'completed' AND ended_at_ms IS NOT NULL) AS last_completed_at_ms,
     (SELECT max(ended_at_ms) FROM jobs INDEXED BY jobs_ended
      WHERE queue = :name AND state = 'failed' AND ended_at_ms IS NOT NULL) AS last_failed_at_ms`,
);

/** What of its queue holds a job back. */
export const gateOfJob = define<{ seq: number }>(
  'queues.gateOfJob',
  `SELECT jobs.queue, jobs.waits_for_key, jobs.concurrency_key, s.paused, s.concurrency_max,
     s.key_concurrency_max, s.rate_max, s.rate_per_ms, s.key_rate_max, s.key_rate_per_ms,
     (SELECT opens_at_ms FROM rates WHERE rates.queue = jobs.queue AND key = '') AS opens_at_ms,
     (SELECT opens_at_ms FROM rates
      WHERE rates.queue = jobs.queue AND key = jobs.concurrency_key) AS key_opens_at_ms,
     (SELECT ${heldStates.join(' + ')} FROM queue_counts WHERE queue_counts.queue = jobs.queue) AS held
   FROM jobs CROSS JOIN queues AS s ON s.name = jobs.queue WHERE jobs.seq = :seq`,
);

type KeyLimit = { name: string; keyConcurrencyMax: number | null };

/** The queue when its limit per key is about to change; else null, and so no job is looked at. */
const changing = `(SELECT :name
  WHERE coalesce((SELECT key_concurrency_max FROM queues WHERE name = :name), 0)
    <> coalesce(:keyConcurrencyMax, 0))`;

/** Before the limit per key is set to another: all pending jobs of the queue that have a key wait for it. */
export const parkKeys = define<KeyLimit>(
  'queues.parkKeys',
  `UPDATE jobs SET waits_for_key = 1 WHERE seq IN (
     SELECT seq FROM jobs INDEXED BY jobs_by_key
     WHERE queue = ${changing} AND waits_for_key = 0 AND state = 'pending' AND concurrency_key IS NOT NULL)`,
);

/** After `parkKeys`: of each key the best jobs are ready, as many as the new limit has room for. */
export const admitKeys = define<KeyLimit>(
  'queues.admitKeys',
  `UPDATE jobs SET waits_for_key = 0 WHERE seq IN (
     SELECT seq FROM (
       SELECT best.seq,
         row_number() OVER (
           PARTITION BY best.concurrency_key ORDER BY best.rank_ms, best.seq) AS place,
         (SELECT count(*) FROM jobs AS taken INDEXED BY jobs_held_by_key
          WHERE taken.queue = best.queue AND taken.concurrency_key = best.concurrency_key
            AND taken.state IN (${literals(heldStates)})) AS held
       FROM jobs AS best INDEXED BY jobs_by_key
       WHERE best.queue = ${changing} AND best.waits_for_key = 1 AND best.state = 'pending'
         AND best.concurrency_key IS NOT NULL)
     WHERE :keyConcurrencyMax IS NULL OR held + place <= :keyConcurrencyMax)`,
);

const failed = `SELECT seq, id, unique_key, EXISTS (
     SELECT 1 FROM jobs AS other INDEXED BY jobs_unique
     WHERE other.queue = jobs.queue AND other.unique_key = jobs.unique_key AND other.ended_at_ms IS NULL) AS is_taken
   FROM jobs`;

/** The oldest failed jobs of a queue behind `after`, each with whether another job has its unique key by now. */
export const failedAfter = define<{ name: string; after: number; limit: number }>(
  'queues.failedAfter',
  `${failed} INDEXED BY jobs_over
   WHERE queue = :name AND state = 'failed' AND ended_at_ms IS NOT NULL AND seq > :after ORDER BY seq LIMIT +:limit`,
);

/** The same of those that failed for one reason. */
export const failedByReasonAfter = define<{ name: string; reason: string; after: number; limit: number }>(
  'queues.failedByReasonAfter',
  `${failed} INDEXED BY jobs_failed
   WHERE queue = :name AND reason = :reason AND state = 'failed' AND seq > :after ORDER BY seq LIMIT +:limit`,
);

/**
 * Jobs that are named run again, as far as they have failed in this queue, with a reason for that one. A job whose
 * unique key another has by now stays as it is. Rows change one after another in the order of seq, so a child finds
 * those it runs after put back before it.
 */
export const redriveNamed = define<{
  name: string;
  reason: string | null;
  ids: string;
  key: string | null;
  nowMs: number;
}>(
  'queues.redriveNamed',
  `UPDATE OR IGNORE jobs SET state = ${stateAgain("'pending'")}, run_at_ms = :nowMs, expires_at_ms = NULL,
     attempts_used = 0, infra_failures = 0, reason = NULL, exit_code = NULL, signal = NULL, message = NULL,
     cancel_requested_at_ms = NULL, cancel_reason = NULL, cancelled_by = NULL, memory_mib = NULL,
     used_by_reason = NULL, started_at_ms = NULL, ended_at_ms = NULL, retry_key = coalesce(:key, retry_key),
     updated_at_ms = :nowMs
   WHERE seq IN (
     SELECT named.seq FROM json_each(:ids) AS d CROSS JOIN jobs AS named
     WHERE named.id = d.value AND +named.queue = :name AND +named.state = 'failed'
       AND (:reason IS NULL OR +named.reason = :reason) AND (:key IS NULL OR +named.retry_key IS NOT :key))
   RETURNING id, state, queue, executor`,
);

/** How many of these jobs of a queue, each named once, were put back with this key, and with no other since. */
export const redrivenBy = define<{ name: string; ids: string; key: string }>(
  'queues.redrivenBy',
  `SELECT count(*) AS n FROM json_each(:ids) AS d CROSS JOIN jobs AS named
   WHERE named.id = d.value AND +named.queue = :name AND +named.retry_key = :key`,
);
