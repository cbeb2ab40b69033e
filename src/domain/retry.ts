/** Back-off between attempts: pure arithmetic, the random part comes in as an argument. */

/** `exponential`: the delay doubles after each failure. */
export const backoffTypes = ['fixed', 'exponential'] as const;

export interface BackoffPolicy {
  readonly type: (typeof backoffTypes)[number];
  /** Delay after the first failure. */
  readonly delayMs: number;
  /** Cap on any delay, jitter included. */
  readonly delayMaxMs: number;
  /** Share of the delay that is random, 0 (none) to 1 (anything from 0 to the full delay). */
  readonly jitter: number;
}

/** Reasons of ends that are the job's own failure and may have a rule of their own. */
export const ruledReasons = ['exit', 'signal', 'timeout', 'oom', 'disk_full'] as const;
export type RuledReason = (typeof ruledReasons)[number];

/** Most that the memory of a job may grow by after one attempt. */
export const memoryFactorMax = 16;

/** What a job says of attempts that end for one reason. */
export interface ReasonRule {
  /** How many may end so, counted by themselves; without it they count against the `attemptsMax` of all. */
  readonly attemptsMax?: number;
  /** What it leaves out is as in the back-off of the job. */
  readonly backoff?: Partial<BackoffPolicy>;
  /** Of `oom`: memory of the next attempt for that of this one. */
  readonly memoryFactor?: number;
  readonly memoryMiBMax?: number;
}

export type ReasonRules = { readonly [reason in RuledReason]?: ReasonRule };

/** Attempts that ended for reasons with a bound of their own. */
export type UsedByReason = { readonly [reason in RuledReason]?: number };

/** Used when a job names none: 1 s, 2 s, 4 s, … up to 5 min, a quarter of it random. */
export const defaultBackoff: BackoffPolicy = {
  type: 'exponential',
  delayMs: 1_000,
  delayMaxMs: 300_000,
  jitter: 0.25,
};

/** After an infrastructure failure other than a lost worker: 0.5 s doubling to 30 s. */
export const infraBackoff: BackoffPolicy = {
  type: 'exponential',
  delayMs: 500,
  delayMaxMs: 30_000,
  jitter: 0.25,
};

/** Between tries of one webhook delivery: 5 s doubling to 10 min. */
export const webhookBackoff: BackoffPolicy = {
  type: 'exponential',
  delayMs: 5_000,
  delayMaxMs: 600_000,
  jitter: 0.25,
};

/**
 * A back-off over another: what it says itself goes before. A delay longer than the cap it is not told with raises it;
 * a cap shorter than the delay it is not told with lowers that.
 */
export function backoffOver(base: BackoffPolicy, own: Partial<BackoffPolicy> = {}): BackoffPolicy {
  const policy = { ...base, ...own };
  if (policy.delayMs <= policy.delayMaxMs) return policy;
  return own.delayMaxMs === undefined
    ? { ...policy, delayMaxMs: policy.delayMs }
    : { ...policy, delayMs: policy.delayMaxMs };
}

/** Memory of the attempt after one that needed more than `memoryMiB`; never less than that. */
export function raisedMemoryMiB(memoryMiB: number, rule: ReasonRule, limitMiB: number): number {
  const { memoryFactor = 1, memoryMiBMax = limitMiB } = rule;
  return Math.max(memoryMiB, Math.min(Math.floor(memoryMiB * memoryFactor), memoryMiBMax));
}

/**
 * Delay before the next attempt, in whole ms.
 *
 * @param failures failures so far, at least 1.
 * @param randomUnit a number in [0, 1).
 */
export function backoffDelayMs(policy: BackoffPolicy, failures: number, randomUnit: number): number {
  const doublings = policy.type === 'fixed' ? 0 : Math.min(failures - 1, 52);
  const full = Math.min(policy.delayMs * 2 ** doublings, policy.delayMaxMs);
  const random = full * policy.jitter;
  return Math.round(full - random + random * randomUnit);
}
