/** The job: its states, its table of transitions, and what an ended attempt makes of it. */
import { BlixardError } from './errors.ts';
import { infraFailuresMax } from './limits.ts';
import { defineMachine } from './machine.ts';
import { type BackoffPolicy, backoffDelayMs, infraBackoff } from './retry.ts';

export type JobState =
  | 'blocked'
  | 'scheduled'
  | 'pending'
  | 'claimed'
  | 'running'
  | 'completed'
  | 'failed'
  | 'cancelled';

export const jobMachine = defineMachine<JobState>('job', {
  blocked: {
    scheduled: 'parents done, due later',
    pending: 'parents done',
    failed: 'a parent failed',
    cancelled: 'user, or a parent was cancelled',
  },
  scheduled: { pending: 'due', failed: 'expired', cancelled: 'user' },
  pending: {
    scheduled: 'debounced: due later',
    claimed: 'claim',
    failed: 'expired, or can never be placed',
    cancelled: 'user',
  },
  claimed: {
    scheduled: 'image or VM failed, later again',
    pending: 'worker lost, or gave it back',
    running: 'start',
    completed: 'start and exit 0 told together',
    failed: 'attempts used up',
    cancelled: 'user',
  },
  running: {
    scheduled: 'retry after back-off',
    pending: 'worker lost',
    completed: 'exit 0',
    failed: 'exit not 0, timeout, out of memory, or attempts used up',
    cancelled: 'user: VM killed',
  },
  completed: {},
  failed: { scheduled: 'user retry, later', pending: 'user retry, redrive' },
  cancelled: { scheduled: 'user retry, later', pending: 'user retry' },
});

/** States in which a job has ended. Only a user's retry leaves `failed` and `cancelled`. */
export const endedStates = ['completed', 'failed', 'cancelled'] as const satisfies readonly JobState[];
/** States in which a worker holds the job. */
export const heldStates = ['claimed', 'running'] as const satisfies readonly JobState[];

export function isEnded(state: JobState): boolean {
  return (endedStates as readonly JobState[]).includes(state);
}

export function isHeld(state: JobState): boolean {
  return (heldStates as readonly JobState[]).includes(state);
}

/** Throws `JOB_INVALID_TRANSITION`, naming from, to and the allowed ones, unless the table has the step. */
export function assertJobTransition(jobId: string, from: JobState, to: JobState): void {
  if (jobMachine.can(from, to)) return;
  throw new BlixardError('JOB_INVALID_TRANSITION', {
    jobId,
    from,
    to,
    allowed: jobMachine.allowedFrom(from).join(', ') || 'none',
  });
}

/** Why an attempt ended. `infrastructure` reasons are not the user's fault and do not spend a user attempt. */
export const endReasons = {
  exit: { infrastructure: false, text: 'the command ended by itself' },
  signal: { infrastructure: false, text: 'the command was ended by a signal' },
  timeout: { infrastructure: false, text: 'the command ran longer than its timeout' },
  oom: { infrastructure: false, text: 'the command used more memory than it was given' },
  cancelled: { infrastructure: false, text: 'a user cancelled the job' },
  worker_lost: { infrastructure: true, text: 'the worker died or lost its lease' },
  vm_boot_failed: { infrastructure: true, text: 'the microVM did not start' },
  vm_crashed: { infrastructure: true, text: 'the microVM ended in the middle of the command' },
  image_missing: { infrastructure: true, text: 'the worker does not have the image' },
  executor_unavailable: { infrastructure: true, text: 'the worker cannot run this kind of job' },
  expired: { infrastructure: false, text: 'the job was not started in time' },
  disk_full: { infrastructure: false, text: 'the disk of the microVM was full' },
  internal: { infrastructure: true, text: 'an error inside Blixard' },
} as const satisfies Record<string, { infrastructure: boolean; text: string }>;

export type EndReason = keyof typeof endReasons;
export const endReasonNames = Object.keys(endReasons) as EndReason[];

/** What the decision needs to know of a job whose attempt has ended. */
export interface EndedJob {
  readonly attemptsUsed: number;
  readonly attemptsMax: number;
  readonly infraFailures: number;
  readonly cancelRequested: boolean;
  readonly backoff: BackoffPolicy;
}

export interface AttemptEnd {
  readonly reason: EndReason;
  /** Exit code of the command; null unless reason is `exit`. */
  readonly exitCode: number | null;
}

export interface EndDecision {
  readonly state: 'completed' | 'failed' | 'cancelled' | 'scheduled' | 'pending';
  /** When a `scheduled` job is due, epoch ms; otherwise null. */
  readonly runAtMs: number | null;
  readonly attemptsUsed: number;
  readonly infraFailures: number;
}

/**
 * What becomes of a job when its attempt ends (DESIGN §5). A lost worker puts it back at once; other
 * infrastructure reasons wait a little; both are bounded by `infraFailuresMax` and never spend a user attempt.
 *
 * @param randomUnit a number in [0, 1) for the jitter.
 */
export function decideEnd(job: EndedJob, end: AttemptEnd, nowMs: number, randomUnit: number): EndDecision {
  const infra = endReasons[end.reason].infrastructure;
  const attemptsUsed = job.attemptsUsed + (infra ? 0 : 1);
  const infraFailures = job.infraFailures + (infra ? 1 : 0);
  const ended = (state: 'completed' | 'failed' | 'cancelled'): EndDecision => ({
    state,
    runAtMs: null,
    attemptsUsed,
    infraFailures,
  });
  if (end.reason === 'exit' && end.exitCode === 0) return ended('completed');
  if (end.reason === 'cancelled' || job.cancelRequested) return ended('cancelled');
  if (infra ? infraFailures >= infraFailuresMax : attemptsUsed >= job.attemptsMax) return ended('failed');
  if (end.reason === 'worker_lost') return { state: 'pending', runAtMs: null, attemptsUsed, infraFailures };
  const policy = infra ? infraBackoff : job.backoff;
  const failures = infra ? infraFailures : attemptsUsed;
  const runAtMs = nowMs + backoffDelayMs(policy, failures, randomUnit);
  return { state: 'scheduled', runAtMs, attemptsUsed, infraFailures };
}
