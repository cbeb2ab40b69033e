/** Calls the server until it answers: a server that is away or in trouble is waited for. */
import { isBlixardError } from '../domain/errors.ts';
import { type BackoffPolicy, backoffDelayMs } from '../domain/retry.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Random } from '../platform/random.ts';

/** Between calls to a server that did not answer: 0.1 s doubling to 5 s, half of it random. */
export const serverBackoff: BackoffPolicy = {
  type: 'exponential',
  delayMs: 100,
  delayMaxMs: 5_000,
  jitter: 0.5,
};

/** How long one call may take, waiting for work not counted; then its answer is taken as lost. */
export const answerTimeoutMs = 15_000;

/** What everything that calls the server needs. */
export interface CallerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Repeats `call` until it is answered. Rejects only with an answer that says the call itself is wrong (fault
 * `caller`), or when `signal` aborts.
 *
 * @param call gets how often it was tried before; safe to repeat.
 */
export async function untilAnswered<T>(
  deps: CallerDeps,
  what: string,
  signal: AbortSignal,
  call: (triesBefore: number) => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; ) {
    signal.throwIfAborted();
    try {
      const answer = await call(failures);
      if (failures > 0) deps.log.info({ what, failures }, 'the server answers again');
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (isAnswer(error)) throw error;
      failures++;
      deps.log[failures === 1 ? 'warn' : 'debug']({ err: error, what }, 'no answer, the call is repeated');
      await sleep(deps.clock, backoffDelayMs(serverBackoff, failures, deps.random.unit()), signal);
    }
  }
}

/** Whether an error is the server's answer to this call, and not trouble that may pass. */
export function isAnswer(error: unknown): boolean {
  if (!isBlixardError(error) || error.code === 'REQUEST_TIMEOUT') return false;
  // A full disk is made room on by people, not by the next try.
  return error.entry.fault === 'caller' || error.code === 'DISK_FULL';
}
