/** The job: its states, its table of transitions, and what an ended attempt makes of it. */
import { BlixardError } from './errors.ts';
import { imageFailuresMax, infraFailuresMax, limits } from './limits.ts';
import { defineMachine } from './machine.ts';
import {
  type BackoffPolicy,
  backoffDelayMs,
  backoffOver,
  infraBackoff,
  type ReasonRule,
  type ReasonRules,
  type RuledReason,
  raisedMemoryMiB,
  ruledReasons,
  type UsedByReason,
} from './retry.ts';

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
    failed: 'a parent failed, or expired',
    cancelled: 'user, or a parent failed or was cancelled',
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
  failed: {
    blocked: 'user retry or redrive, a parent has not ended',
    scheduled: 'user retry, later',
    pending: 'user retry, redrive',
  },
  cancelled: {
    blocked: 'user retry, a parent has not ended',
    scheduled: 'user retry, later',
    pending: 'user retry',
  },
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
  vm_too_large: { infrastructure: true, text: 'the worker has no room for a microVM as large, ever' },
  image_broken: { infrastructure: true, text: 'microVMs of the image do not start, while others do' },
  executor_unavailable: { infrastructure: true, text: 'the worker cannot run this kind of job' },
  expired: { infrastructure: false, text: 'the job was not started in time' },
  parent_failed: { infrastructure: false, text: 'a job it was to run after failed' },
  parent_cancelled: { infrastructure: false, text: 'a job it was to run after was cancelled' },
  skipped: { infrastructure: false, text: 'it was to be skipped unless the jobs before it completed' },
  input_missing: { infrastructure: false, text: 'the output of another job that it needs cannot be had' },
  disk_full: { infrastructure: false, text: 'the disk of the microVM was full' },
  internal: { infrastructure: true, text: 'an error inside Blixard' },
} as const satisfies Record<string, { infrastructure: boolean; text: string }>;

export type EndReason = keyof typeof endReasons;
export const endReasonNames = Object.keys(endReasons) as EndReason[];
/** Of jobs that end without an attempt: the control node decides them, and no worker can tell one. */
const unstartedReasons: readonly EndReason[] = ['expired', 'parent_failed', 'parent_cancelled', 'skipped'];
/** Why an attempt can end, as a worker tells it. */
export const attemptReasonNames = endReasonNames.filter((reason) => !unstartedReasons.includes(reason));

/** What the decision needs to know of a job whose attempt has ended. */
export interface EndedJob {
  readonly attemptsUsed: number;
  readonly attemptsMax: number;
  readonly infraFailures: number;
  readonly cancelRequested: boolean;
  readonly backoff: BackoffPolicy;
  /** Left out of a job without rules for single reasons. */
  readonly byReason?: ByReason & { readonly rules: ReasonRules };
}

/** What is kept of a job with rules for single reasons. */
export interface ByReason {
  readonly used: UsedByReason;
  /** Of its newest attempt, or of its next. */
  readonly memoryMiB: number;
}

export interface AttemptEnd {
  readonly reason: EndReason;
  /** Exit code of the command; null unless reason is `exit`. */
  readonly exitCode: number | null;
  /** Its worker cannot run it before; counts for infrastructure reasons only. */
  readonly retryInMs?: number | undefined;
  /** Of `vm_too_large`: how often it may be given to workers yet; left out: none has room for it. */
  readonly triesLeft?: number | undefined;
}

export interface EndDecision {
  readonly state: 'completed' | 'failed' | 'cancelled' | 'scheduled' | 'pending';
  /** When a `scheduled` job is due, epoch ms; otherwise null. */
  readonly runAtMs: number | null;
  readonly attemptsUsed: number;
  /** In a row. */
  readonly infraFailures: number;
  readonly byReason?: ByReason;
}

/**
 * What becomes of a job when its attempt ends (DESIGN §5). A lost worker puts it back at once; other infrastructure
 * reasons wait a little; of both, `infraFailuresMax` in a row are too many, `imageFailuresMax` where the image is known
 * to be broken; a VM too large for its worker is none while another worker has room. None spends a user attempt. A
 * reason with a bound of its own is counted by itself. Memory grows after `oom` where a rule says so.
 *
 * @param randomUnit a number in [0, 1) for the jitter.
 */
export function decideEnd(job: EndedJob, end: AttemptEnd, nowMs: number, randomUnit: number): EndDecision {
  const infra = endReasons[end.reason].infrastructure;
  const success = end.reason === 'exit' && end.exitCode === 0;
  const rule = success ? undefined : ruleOf(job, end.reason);
  const ownMax = rule?.rule.attemptsMax;
  const used = rule === undefined || ownMax === undefined ? undefined : usedOf(job, rule.reason) + 1;
  const attemptsUsed = job.attemptsUsed + (infra || used !== undefined ? 0 : 1);
  const isTooLarge = end.reason === 'vm_too_large';
  const infraFailures = infra ? job.infraFailures + (isTooLarge ? 0 : 1) : 0;
  const counts = { attemptsUsed, infraFailures, ...byReasonAfter(job, end.reason, used) };
  const ended = (state: 'completed' | 'failed' | 'cancelled'): EndDecision => ({
    state,
    runAtMs: null,
    ...counts,
  });
  if (success) return ended('completed');
  if (end.reason === 'cancelled' || job.cancelRequested) return ended('cancelled');
  const own = used !== undefined && ownMax !== undefined;
  const isOver = infra
    ? isInfraOver(end, infraFailures)
    : own
      ? used >= ownMax
      : attemptsUsed >= job.attemptsMax;
  if (isOver) return ended('failed');
  if (end.reason === 'worker_lost') return { state: 'pending', runAtMs: null, ...counts };
  const policy = infra ? infraBackoff : backoffOver(job.backoff, rule?.rule.backoff);
  const fromMs = nowMs + (infra ? (end.retryInMs ?? 0) : 0);
  const tries = limits.placementsMax - (end.triesLeft ?? 0);
  const failures = isTooLarge ? tries : infra ? infraFailures : (used ?? attemptsUsed);
  const runAtMs = fromMs + backoffDelayMs(policy, failures, randomUnit);
  return { state: 'scheduled', runAtMs, ...counts, ...withMoreMemory(counts.byReason, rule) };
}

function isInfraOver({ reason, triesLeft = 0 }: AttemptEnd, infraFailures: number): boolean {
  if (reason === 'vm_too_large') return triesLeft <= 0;
  return infraFailures >= (reason === 'image_broken' ? imageFailuresMax : infraFailuresMax);
}

function ruleOf(job: EndedJob, reason: EndReason): { reason: RuledReason; rule: ReasonRule } | undefined {
  const ruled = ruledReasons.find((each) => each === reason);
  const rule = ruled === undefined ? undefined : job.byReason?.rules[ruled];
  return ruled === undefined || rule === undefined ? undefined : { reason: ruled, rule };
}

function usedOf(job: EndedJob, reason: RuledReason): number {
  return job.byReason?.used[reason] ?? 0;
}

/** Left out where the job has no rules. */
function byReasonAfter(job: EndedJob, reason: EndReason, used: number | undefined): { byReason?: ByReason } {
  if (job.byReason === undefined) return {};
  const { memoryMiB, used: before } = job.byReason;
  return { byReason: { memoryMiB, used: used === undefined ? before : { ...before, [reason]: used } } };
}

/** For the next attempt. */
function withMoreMemory(
  byReason: ByReason | undefined,
  rule: { reason: RuledReason; rule: ReasonRule } | undefined,
): { byReason?: ByReason } {
  if (byReason === undefined || rule?.reason !== 'oom') return {};
  const memoryMiB = raisedMemoryMiB(byReason.memoryMiB, rule.rule, limits.memoryMiBMax);
  return { byReason: { ...byReason, memoryMiB } };
}
