/** What users do to a job: submit, cancel, retry; each touches one job by its id. */
import { defaults } from '../../domain/defaults.ts';
import { endedStates, heldStates, jobMachine } from '../../domain/job.ts';
import type { SqlValue } from '../database.ts';
import { define, literals } from './define.ts';

/** A step that its own statement tells writes no other time. */
const updatedAtMs = 'max(updated_at_ms, coalesce(claimed_at_ms, 0), coalesce(ended_at_ms, 0))';

/** What a view of a job is made of; stands in SELECT and in RETURNING alike. */
export const jobColumns = `
  seq, id, state, queue, executor, image, attempt, attempts_used, infra_failures, worker_id,
  reason, exit_code, signal, message, cancel_requested_at_ms, cancel_reason,
  cancelled_by, memory_mib, used_by_reason,
  created_at_ms, ${updatedAtMs} AS updated_at_ms, run_at_ms, expires_at_ms, started_at_ms, ended_at_ms,
  (SELECT json_object('attempt', attempt, 'percent', percent, 'message', message, 'atMs', at_ms)
   FROM job_progress WHERE job_progress.job_id = jobs.id) AS progress,
  (SELECT spec FROM job_data WHERE job_data.seq = jobs.seq) AS spec`;

/** What is stored of a new job beside its spec. */
export interface NewJob extends Readonly<Record<string, SqlValue>> {
  readonly id: string;
  readonly queue: string;
  readonly executor: string;
  /** Its full name. */
  readonly image: string;
  readonly state: 'blocked' | 'pending' | 'scheduled';
  readonly priority: number;
  readonly runAtMs: number;
  readonly expiresAtMs: number | null;
  readonly idempotencyKey: string | null;
  readonly uniqueKey: string | null;
  readonly tenant: string;
  readonly concurrencyKey: string | null;
  readonly attemptsMax: number;
  /** A JSON list of the ids it runs after; null, like the policy, when there are none. */
  readonly after: string | null;
  readonly afterFailed: string | null;
  readonly groupName: string | null;
  /** When it was submitted. */
  readonly nowMs: number;
}

/** A worker has the image, none has told which it has, or the executor runs functions, which need none. */
export function imageIsFine(image: string, executor: string): string {
  return `(EXISTS (SELECT 1 FROM worker_images WHERE image = ${image})
    OR NOT EXISTS (SELECT 1 FROM worker_images WHERE image > '') OR ${executor} = '${defaults.functionExecutor}')`;
}

/** All jobs of a JSON list of ids are stored; a null list has none. */
export function areStored(ids: string): string {
  return `(${ids} IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(${ids}) AS named WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id = named.value)))`;
}

/**
 * No files of an earlier job with this id are still to go, which would be taken for those of the new one; and no
 * submit with this id or idempotency key was answered with the job of another. Mostly there are no such answers at all.
 * Whether that job is still there is not asked: the longer program would make each insert a tenth slower.
 */
export function isUnused(id: string, key: string): string {
  return `(NOT EXISTS (SELECT 1 FROM logs_to_remove WHERE logs_to_remove.job_id = ${id})
    AND (NOT EXISTS (SELECT 1 FROM submit_answers WHERE submit_id > '') OR (
    NOT EXISTS (SELECT 1 FROM submit_answers WHERE submit_id = ${id}) AND NOT EXISTS (
      SELECT 1 FROM submit_answers INDEXED BY submit_answers_by_key WHERE submit_key = ${key}))))`;
}

/** The state of a job that a user puts back: one it runs after may have been put back, too. */
export function stateAgain(state: string): string {
  return `CASE WHEN after_failed IS NOT NULL AND EXISTS (
    SELECT 1 FROM job_parents AS named CROSS JOIN jobs AS parent
    WHERE named.child_seq = jobs.seq AND parent.id = named.parent_id AND parent.ended_at_ms IS NULL)
    THEN 'blocked' ELSE ${state} END`;
}

const unstarted = jobMachine.sourcesOf('cancelled').filter((state) => state !== 'running');
const retried = endedStates.filter((state) => jobMachine.can(state, 'pending'));

/**
 * A new job, unless its id, idempotency key or unique key is taken, its id or key was answered with another job,
 * workers have told their images and none has this one, or a job it runs after is not there: then its image is null,
 * which is ignored like a key that is taken. A SELECT with a condition would say the same at the price of a temporary
 * table.
 */
export const insertJob = define<NewJob>(
  'jobs.insert',
  `INSERT OR IGNORE INTO jobs
     (id, queue, executor, image, state, priority, run_at_ms, expires_at_ms, idempotency_key, unique_key, tenant,
      attempts_max, concurrency_key, after_failed, group_name, created_at_ms, updated_at_ms)
   VALUES (:id, :queue, :executor, iif(${imageIsFine(':image', ':executor')} AND ${areStored(':after')}
     AND ${isUnused(':id', ':idempotencyKey')}, :image, NULL), :state, :priority, :runAtMs,
     :expiresAtMs, :idempotencyKey, :uniqueKey, :tenant, :attemptsMax, :concurrencyKey, :afterFailed, :groupName,
     :nowMs, :nowMs)`,
);

/** The spec of the job just inserted; an older job of the same id keeps its own, and without a job it is null. */
export const insertJobData = define<{ id: string; spec: string }>(
  'jobs.insertData',
  `INSERT OR IGNORE INTO job_data (seq, spec)
   VALUES ((SELECT seq FROM jobs WHERE id = :id), (SELECT :spec FROM jobs WHERE id = :id))`,
);

/** One job with its spec. */
export const jobById = define<{ id: string }>('jobs.byId', `SELECT ${jobColumns} FROM jobs WHERE id = :id`);

/** Ids from `from` up to, not including, `to`. */
export const idsBetween = define<{ from: string; to: string; limit: number }>(
  'jobs.idsBetween',
  'SELECT id FROM jobs WHERE id >= :from AND id < :to ORDER BY id LIMIT +:limit',
);

type Cancel = { id: string; reason: string | null; by: string | null; nowMs: number };

/** Cancels a job that no command runs for. */
export const cancelUnstarted = define<Cancel>(
  'jobs.cancelUnstarted',
  `UPDATE jobs SET state = 'cancelled', reason = 'cancelled', exit_code = NULL, signal = NULL, message = NULL,
     cancel_requested_at_ms = :nowMs, cancel_reason = :reason, cancelled_by = :by,
     ended_at_ms = :nowMs, updated_at_ms = :nowMs
   WHERE id = :id AND +state IN (${literals(unstarted)})
   RETURNING ${jobColumns}`,
);

/** Asks for the end of a running job, once. */
export const requestCancel = define<Cancel>(
  'jobs.requestCancel',
  `UPDATE jobs SET cancel_requested_at_ms = :nowMs, cancel_reason = :reason, cancelled_by = :by,
     updated_at_ms = :nowMs
   WHERE id = :id AND +state = 'running' AND +cancel_requested_at_ms IS NULL
   RETURNING ${jobColumns}`,
);

/**
 * Puts an ended job back with all its attempts allowed anew, unless another has taken its unique key, its newest
 * attempt is another than `attempt`, or its newest retry had this key; the number of its next attempt goes on, and it
 * expires no more. It is blocked while a job it runs after has not ended.
 */
export const retryJob = define<{
  id: string;
  state: 'pending' | 'scheduled';
  runAtMs: number;
  attempt: number | null;
  key: string | null;
  nowMs: number;
}>(
  'jobs.retry',
  `UPDATE jobs SET state = ${stateAgain(':state')}, run_at_ms = :runAtMs, expires_at_ms = NULL,
     attempts_used = 0, infra_failures = 0,
     reason = NULL, exit_code = NULL, signal = NULL, message = NULL,
     cancel_requested_at_ms = NULL, cancel_reason = NULL, cancelled_by = NULL, memory_mib = NULL,
     used_by_reason = NULL, started_at_ms = NULL, ended_at_ms = NULL, retry_key = coalesce(:key, retry_key),
     updated_at_ms = :nowMs
   WHERE id = :id AND +state IN (${literals(retried)}) AND +attempt = coalesce(:attempt, attempt)
     AND (:key IS NULL OR +retry_key IS NOT :key) AND NOT EXISTS (
     SELECT 1 FROM jobs AS other INDEXED BY jobs_unique
     WHERE other.queue = jobs.queue AND other.unique_key = jobs.unique_key AND other.ended_at_ms IS NULL)
   RETURNING ${jobColumns}`,
);

/** The job, if its newest retry had this key. */
export const jobRetriedBy = define<{ id: string; key: string }>(
  'jobs.retriedBy',
  `SELECT ${jobColumns} FROM jobs WHERE id = :id AND +retry_key = :key`,
);

/** A claimed attempt begins to run, for its holder only. */
export const startAttempt = define<{
  id: string;
  attempt: number;
  workerId: string;
  generation: number;
  nowMs: number;
}>(
  'jobs.start',
  `UPDATE jobs SET state = 'running', started_at_ms = :nowMs, expires_at_ms = NULL, updated_at_ms = :nowMs
   WHERE id = :id AND +attempt = :attempt AND +worker_id = :workerId AND +worker_generation = :generation
     AND +state IN (${literals(jobMachine.sourcesOf('running'))})
   RETURNING started_at_ms`,
);

/** The attempt that is held now, if it is this one of this holder. */
export const heldAttempt = define<{ id: string; attempt: number; workerId: string; generation: number }>(
  'jobs.heldAttempt',
  `SELECT state, started_at_ms FROM jobs
   WHERE id = :id AND +attempt = :attempt AND +worker_id = :workerId AND +worker_generation = :generation
     AND +state IN (${literals(heldStates)})`,
);
