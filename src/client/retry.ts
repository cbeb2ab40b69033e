/** How long the client waits before it tries again. */
import { type BackoffPolicy, backoffDelayMs } from '../domain/retry.ts';
import { type Random, realRandom } from '../platform/random.ts';

/** 0.1 s doubling to 5 s: a server that restarts is back within seconds. */
const reconnectBackoff: BackoffPolicy = {
  type: 'exponential',
  delayMs: 100,
  delayMaxMs: 5_000,
  jitter: 0.25,
};

/** Delay after so many failures in a row, at least 1. */
export function retryDelayMs(failures: number, random: Random = realRandom): number {
  return backoffDelayMs(reconnectBackoff, failures, random.unit());
}
