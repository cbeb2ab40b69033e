/**
 * What a worker does in one call: report ends, claim jobs, renew its lease; sets of attempts come as JSON.
 */
import { heldStates, jobMachine } from '../../domain/job.ts';
import { limits } from '../../domain/limits.ts';
import { workerMachine } from '../../domain/worker.ts';
import { define, literals } from './define.ts';

const held = `state IN (${literals(heldStates)})`;
const live = literals(workerMachine.sourcesOf('offline'));

/** The attempt `d` of a JSON list, if this worker holds it; `+` keeps the planner on the id. */
export const heldByWorker = `jobs.id = d.value->>'jobId' AND +jobs.attempt = d.value->>'attempt'
  AND +jobs.worker_id = :workerId AND +jobs.worker_generation = :generation`;

/** Its place may be what another job of its queue waits for. */
export const isLimited =
  'EXISTS (SELECT 1 FROM queues WHERE name = jobs.queue AND concurrency_max IS NOT NULL)';
/** Another job runs after it. */
export const isWaitedFor = `EXISTS (
  SELECT 1 FROM job_parents INDEXED BY job_parents_open
  WHERE parent_id = jobs.id AND job_parents.state = 'open')`;
/** Some job that has a group has not ended. */
export const anyOfGroup = `EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_going_by_group
  WHERE group_name > '' AND ended_at_ms IS NULL AND cancel_requested_at_ms IS NULL)`;
const toTell = `${isLimited} AS limited, ${isWaitedFor} AS is_waited_for`;

/** What is told of a job that has ended: who may claim in its place, and who waits for it. */
const completedColumns = `id, attempt, state, queue, concurrency_key, group_name, ${toTell}`;

/** What is told of a job that has moved. */
export const movedColumns = `id, attempt, state, queue, executor, run_at_ms, expires_at_ms, concurrency_key, group_name,
  ${toTell}`;

export type OfHolder = { workerId: string; generation: number };

/** When an attempt was started, if that is told with its end: not before its claim, and not in the future. */
export const startedWithEnd = (toldMs: string): string =>
  `coalesce(started_at_ms, max(claimed_at_ms, min(${toldMs}, :nowMs)))`;

/**
 * Attempts that ended with exit code 0: `[[jobId, attempt, startedAtMs, message, vm, usage]]`; one that was only
 * claimed needs `startedAtMs`. A list is read faster than an object.
 */
export const completeAttempts = define<OfHolder & { attempts: string; nowMs: number }>(
  'work.complete',
  `UPDATE jobs SET state = 'completed', attempts_used = attempts_used + 1, infra_failures = 0,
     reason = 'exit', exit_code = 0, message = d.value->>3, vm = d.value->>4, usage = d.value->>5,
     started_at_ms = ${startedWithEnd('d.value->>2')}, expires_at_ms = NULL,
     ended_at_ms = :nowMs, updated_at_ms = :nowMs
   FROM json_each(:attempts) AS d
   WHERE jobs.id = d.value->>0 AND +jobs.attempt = d.value->>1
     AND +jobs.worker_id = :workerId AND +jobs.worker_generation = :generation
     AND +jobs.state IN (${literals(jobMachine.sourcesOf('completed'))})
     AND coalesce(jobs.started_at_ms, d.value->>2) IS NOT NULL
   RETURNING ${completedColumns}`,
);

/** Claims given back unstarted: `[{jobId, attempt}]`. They cost the job nothing. */
export const giveBackAttempts = define<OfHolder & { attempts: string; nowMs: number }>(
  'work.giveBack',
  `UPDATE jobs SET state = 'pending', updated_at_ms = :nowMs
   FROM json_each(:attempts) AS d
   WHERE ${heldByWorker} AND +jobs.state = 'claimed'
   RETURNING ${movedColumns}`,
);

/** What `decideEnd` needs of the attempts `[{jobId, attempt}]` that this worker holds. */
export const heldForEnd = define<OfHolder & { attempts: string }>(
  'work.heldForEnd',
  `SELECT jobs.id, jobs.attempt, jobs.state, jobs.attempts_used, jobs.attempts_max, jobs.infra_failures,
     jobs.cancel_requested_at_ms, jobs.memory_mib, jobs.used_by_reason,
     job_data.spec->'backoff' AS backoff, job_data.spec->'retry' AS retry,
     job_data.spec->>'memoryMiB' AS spec_memory_mib, job_data.spec->>'vcpus' AS spec_vcpus,
     jobs.queue, jobs.executor
   FROM json_each(:attempts) AS d CROSS JOIN jobs CROSS JOIN job_data
   WHERE job_data.seq = jobs.seq AND ${heldByWorker} AND +jobs.${held}`,
);

/**
 * Decided ends: `[{jobId, attempt, from, cancelRequested, state, runAtMs, attemptsUsed, infraFailures,
 * memoryMiB, usedByReason, reason, exitCode, signal, message, endedAtMs, startedAtMs, vm, usage}]`. An attempt that
 * has changed since the decision stays as it is.
 */
export const endAttempts = define<OfHolder & { attempts: string; nowMs: number }>(
  'work.end',
  `UPDATE jobs SET state = d.value->>'state', run_at_ms = coalesce(d.value->>'runAtMs', run_at_ms),
     attempts_used = d.value->>'attemptsUsed', infra_failures = d.value->>'infraFailures',
     memory_mib = d.value->>'memoryMiB', used_by_reason = d.value->>'usedByReason',
     reason = d.value->>'reason', exit_code = d.value->>'exitCode', signal = d.value->>'signal',
     message = d.value->>'message', vm = d.value->>'vm', usage = d.value->>'usage',
     started_at_ms = ${startedWithEnd("d.value->>'startedAtMs'")},
     expires_at_ms = iif(d.value->>'startedAtMs' IS NULL, expires_at_ms, NULL),
     ended_at_ms = d.value->>'endedAtMs', updated_at_ms = :nowMs
   FROM json_each(:attempts) AS d
   WHERE ${heldByWorker} AND +jobs.state = d.value->>'from'
     AND (jobs.cancel_requested_at_ms IS NOT NULL) = d.value->>'cancelRequested'
   RETURNING ${movedColumns}`,
);

/** What became of the attempts `[{jobId, attempt}]`, 1 in `held` where they go on, and how their jobs are now. */
export const attemptsNamed = define<{ attempts: string }>(
  'work.attemptsNamed',
  `SELECT jobs.id, jobs.state, jobs.queue, jobs.executor, jobs.run_at_ms, jobs.expires_at_ms,
     jobs.group_name, ${isWaitedFor} AS is_waited_for, d.value->>'attempt' AS attempt,
     past.attempt IS NULL AND jobs.${held} AS held,
     coalesce(past.worker_id, jobs.worker_id) AS worker_id,
     coalesce(past.worker_generation, jobs.worker_generation) AS worker_generation,
     iif(past.attempt IS NULL, jobs.reason, past.reason) AS reason
   FROM json_each(:attempts) AS d CROSS JOIN jobs
     LEFT JOIN past_attempts AS past ON past.job_id = jobs.id AND past.attempt = d.value->>'attempt'
   WHERE jobs.id = d.value->>'jobId' AND (past.attempt IS NOT NULL
     OR (+jobs.attempt = d.value->>'attempt' AND jobs.claimed_at_ms IS NOT NULL))`,
);

/** The queues this worker serves, each with its settings if it has any. */
export const served =
  'workers AS w CROSS JOIN json_each(w.queues) AS q LEFT JOIN queues AS s ON s.name = q.value';
/** The same queues as far as they have a limit. */
export const limited =
  'workers AS w CROSS JOIN json_each(w.queues) AS q CROSS JOIN queues AS s ON s.name = q.value';
/** With each executor it offers, what may be claimed in it. */
export const heads = 'CROSS JOIN json_each(w.executors) AS e CROSS JOIN jobs AS best';
/** No call with this token holds a job. */
const isFirstOfToken = `NOT EXISTS (
    SELECT 1 FROM jobs INDEXED BY jobs_held
    WHERE worker_id = :workerId AND claim_token = :token AND ${held})`;
const isOpen = `w.id = :workerId AND w.generation = :generation AND w.state = 'online'
  AND coalesce(s.paused, 0) = 0 AND ${isFirstOfToken}`;
/** What must hold for any claim. */
export const mayClaim = `${isOpen} AND e.value->>'unavailable' IS NULL`;
/** The best of them. */
export const bestOfPair = `best.seq IN (
  SELECT ready.seq FROM jobs AS ready INDEXED BY jobs_ready
  WHERE ready.queue = q.value AND ready.executor = e.value->>'name' AND ready.state = 'pending'
    AND ready.waits_for_key = 0
  ORDER BY ready.rank_ms, ready.seq LIMIT +:want)`;
/** What every claim sets. */
const claimOnly = `state = 'claimed', attempt = attempt + 1,
     worker_id = :workerId, worker_generation = :generation, claim_token = :token,
     reason = NULL, exit_code = NULL, signal = NULL, message = NULL,
     claimed_at_ms = :nowMs, started_at_ms = NULL`;
/** With what has the triggers of the job look after its group and its line. */
export const claimSet = `${claimOnly}, updated_at_ms = :nowMs`;
/** Some job has a group, and some ready one a line. */
const anyAmongOthers = `(${anyOfGroup} OR EXISTS (SELECT 1 FROM fair_lines WHERE queue > ''))`;
/** How many jobs a claim may take. */
export const roomOfWorker = `max(0, min(:want, ${limits.slotsMax} - (
       SELECT count(*) FROM jobs INDEXED BY jobs_held WHERE worker_id = :workerId AND ${held})))`;

/**
 * The best jobs of each pair of queue and executor this worker offers, best first over all pairs; of a queue with
 * a limit no more than there is room for, over all its executors; of a shaped queue nothing, see `claimShaped`. None
 * while a job is still held by the same token, so that a call sent twice claims once. The cost depends on the pairs
 * and on `want`, never on the jobs stored or waiting. What it claims is told by `tellClaimed`, which
 * follows in the batch.
 */
const claimBest = (set: string, mayBe: string): string =>
  `UPDATE jobs SET ${set}
   WHERE seq IN (
     SELECT seq FROM (
       SELECT best.seq, best.rank_ms FROM ${served} ${heads}
       WHERE ${mayClaim} AND coalesce(s.shaped, 0) = 0 AND s.concurrency_max IS NULL AND ${bestOfPair}
       UNION ALL
       SELECT seq, rank_ms FROM (
         SELECT best.seq, best.rank_ms,
           row_number() OVER (PARTITION BY q.value ORDER BY best.rank_ms, best.seq) AS place,
           s.concurrency_max - coalesce((
             SELECT claimed + running FROM queue_counts WHERE queue_counts.queue = q.value), 0) AS room
         FROM ${limited} ${heads}
         WHERE ${mayClaim} AND s.shaped = 0 AND s.concurrency_max IS NOT NULL AND ${bestOfPair})
       WHERE place <= room)
     ORDER BY rank_ms, seq
     LIMIT iif(${mayBe}, ${roomOfWorker}, 0))`;

type Claim = OfHolder & { token: string; want: number; nowMs: number };

/** That claim where a job may be among others; does nothing where none is. */
export const claimAmongOthers = define<Claim>('work.claimAmongOthers', claimBest(claimSet, anyAmongOthers));

/** That claim where no job is; does nothing elsewhere. */
export const claimJobs = define<Claim>(
  'work.claim',
  claimBest(claimOnly, `${isFirstOfToken} AND NOT ${anyAmongOthers}`),
);

/**
 * That claim of a worker with one queue and one executor, from a queue without a limit, where no job is among others:
 * without what puts the jobs of several pairs in order, which is a tenth of it. Claims nothing elsewhere; where it is
 * enough, `renewLease` tells.
 */
export const claimOfPair = define<Claim>(
  'work.claimOfPair',
  `UPDATE jobs SET ${claimOnly}
   WHERE seq IN (
     SELECT ready.seq FROM jobs AS ready INDEXED BY jobs_ready
     WHERE (ready.queue, ready.executor) = (
         SELECT w.queues->>0, w.executors->0->>'name'
         FROM workers AS w LEFT JOIN queues AS s ON s.name = w.queues->>0
         WHERE ${isOpen} AND w.executors->0->>'unavailable' IS NULL
           AND coalesce(s.shaped, 0) = 0 AND s.concurrency_max IS NULL
           AND json_array_length(w.queues) = 1 AND json_array_length(w.executors) = 1 AND NOT ${anyAmongOthers})
       AND ready.state = 'pending' AND ready.waits_for_key = 0
     ORDER BY ready.rank_ms, ready.seq
     LIMIT ${roomOfWorker})`,
);

/** Claims of a worker that were made up to a time and are not started, in the order of their jobs. */
export const unstartedClaims = define<OfHolder & { beforeMs: number; limit: number }>(
  'work.unstartedClaims',
  `SELECT id, attempt FROM jobs INDEXED BY jobs_held
   WHERE worker_id = :workerId AND ${held} AND state = 'claimed' AND worker_generation = :generation
     AND claimed_at_ms <= :beforeMs
   ORDER BY claim_token, seq LIMIT +:limit`,
);

/** The one queue and the one executor of a worker are all it has, and `claimOfPair` finds whatever is ready there. */
const isOfPair = `json_array_length(workers.queues) = 1 AND json_array_length(workers.executors) = 1
  AND NOT EXISTS (SELECT 1 FROM queues AS s
    WHERE s.name = workers.queues->>0 AND (s.shaped = 1 OR s.concurrency_max IS NOT NULL))
  AND NOT ${anyAmongOthers}`;

/** A live worker's lease goes on; gives what it must be told, and which claim finds all it may have. */
export const renewLease = define<OfHolder & { leaseUntilMs: number }>(
  'work.renewLease',
  `UPDATE workers SET lease_until_ms = :leaseUntilMs
   WHERE id = :workerId AND generation = :generation AND state IN (${live})
   RETURNING state, lease_until_ms, queues, executors,
     CASE WHEN ${isOfPair} THEN 'pair'
       WHEN EXISTS (SELECT 1 FROM json_each(workers.queues) AS q CROSS JOIN queues AS s ON s.name = q.value
         WHERE s.shaped = 1) THEN 'shaped'
       ELSE 'any' END AS way,
     (SELECT json_group_array(json_object('jobId', jobs.id, 'attempt', jobs.attempt))
      FROM jobs INDEXED BY jobs_cancelling
      WHERE jobs.worker_id = :workerId AND jobs.state = 'running'
        AND jobs.cancel_requested_at_ms IS NOT NULL) AS cancels`,
);
