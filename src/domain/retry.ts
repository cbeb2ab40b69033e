/** Back-off between attempts: pure arithmetic, the random part comes in as an argument. */

export interface BackoffPolicy {
  readonly type: 'fixed' | 'exponential';
  /** Delay after the first failure. */
  readonly delayMs: number;
  /** Cap on any delay, jitter included. */
  readonly delayMaxMs: number;
  /** Share of the delay that is random, 0 (none) to 1 (anything from 0 to the full delay). */
  readonly jitter: number;
}

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
