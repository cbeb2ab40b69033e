/** Rows of the store as they go over the wire. */
import type { Attempt, Job, JobEvent, JobSpec, Usage, VmFacts } from '../contract/job.ts';
import type { Progress } from '../contract/result.ts';
import type { ExecutorOffer, Worker } from '../contract/worker.ts';
import type { EndReason, JobState } from '../domain/job.ts';
import { isEnded, isHeld } from '../domain/job.ts';
import type { WorkerState } from '../domain/worker.ts';
import type { Row } from '../store/database.ts';
import { integer, integerOrNull, json, jsonOrNull, text, textOrNull } from '../store/statements/columns.ts';

/** The state of a row of jobs. */
export function jobStateOf(row: Row): JobState {
  return text(row, 'state') as JobState;
}

/** A job; the row has `jobColumns`. */
export function jobOf(row: Row, spec = json<JobSpec>(row, 'spec')): Job {
  const state = jobStateOf(row);
  const hasWorker = isHeld(state) || isEnded(state);
  return {
    id: text(row, 'id'),
    state,
    spec,
    attempt: integer(row, 'attempt'),
    attemptsUsed: integer(row, 'attempts_used'),
    attemptsUsedByReason: jsonOrNull<Record<string, number>>(row, 'used_by_reason') ?? {},
    infraFailures: integer(row, 'infra_failures'),
    memoryMiB: integerOrNull(row, 'memory_mib') ?? spec.memoryMiB,
    ...outcomeOf(row),
    workerId: hasWorker ? textOrNull(row, 'worker_id') : null,
    createdAtMs: integer(row, 'created_at_ms'),
    updatedAtMs: integer(row, 'updated_at_ms'),
    runAtMs: integer(row, 'run_at_ms'),
    expiresAtMs: integerOrNull(row, 'expires_at_ms'),
    startedAtMs: integerOrNull(row, 'started_at_ms'),
    endedAtMs: integerOrNull(row, 'ended_at_ms'),
    cancelRequestedAtMs: integerOrNull(row, 'cancel_requested_at_ms'),
    cancelReason: textOrNull(row, 'cancel_reason'),
    cancelledBy: textOrNull(row, 'cancelled_by'),
    progress: progressOf(row),
    waiting: null,
  };
}

/** An attempt; what is known of its log comes from the log. */
export function attemptOf(row: Row): Attempt {
  return {
    jobId: text(row, 'job_id'),
    attempt: integer(row, 'attempt'),
    state: text(row, 'state') as Attempt['state'],
    workerId: text(row, 'worker_id'),
    memoryMiB: integer(row, 'memory_mib'),
    claimedAtMs: integer(row, 'claimed_at_ms'),
    startedAtMs: integerOrNull(row, 'started_at_ms'),
    endedAtMs: integerOrNull(row, 'ended_at_ms'),
    ...outcomeOf(row),
    vm: jsonOrNull<VmFacts>(row, 'vm'),
    usage: jsonOrNull<Usage>(row, 'usage'),
    logBytes: 0,
    logMissingBytes: 0,
  };
}

/** An event. */
export function eventOf(row: Row): JobEvent {
  return {
    seq: integer(row, 'seq'),
    atMs: integer(row, 'at_ms'),
    kind: text(row, 'kind'),
    jobId: textOrNull(row, 'job_id'),
    attempt: integerOrNull(row, 'attempt'),
    workerId: textOrNull(row, 'worker_id'),
    data: json(row, 'data'),
  };
}

/** A worker, with what it holds and its images. */
export function workerOf(row: Row): Worker {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    state: text(row, 'state') as WorkerState,
    generation: integer(row, 'generation'),
    version: text(row, 'version'),
    pid: integer(row, 'pid'),
    slots: integer(row, 'slots'),
    queues: json<string[]>(row, 'queues'),
    executors: json<ExecutorOffer[]>(row, 'executors'),
    images: json(row, 'images'),
    registeredAtMs: integer(row, 'registered_at_ms'),
    leaseUntilMs: integer(row, 'lease_until_ms'),
    held: integer(row, 'held'),
  };
}

/** Of the newest attempt only. */
function progressOf(row: Row): Job['progress'] {
  const told = jsonOrNull<Progress & { attempt: number }>(row, 'progress');
  if (told === null || told.attempt !== integer(row, 'attempt')) return null;
  const { percent, message, atMs } = told;
  return { percent, message, atMs };
}

function outcomeOf(row: Row): Pick<Job, 'reason' | 'exitCode' | 'signal' | 'message'> {
  return {
    reason: textOrNull(row, 'reason') as EndReason | null,
    exitCode: integerOrNull(row, 'exit_code'),
    signal: integerOrNull(row, 'signal'),
    message: textOrNull(row, 'message'),
  };
}
