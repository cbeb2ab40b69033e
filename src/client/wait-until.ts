/** Waiting for what takes longer than one call may, also over a restart of the server. */
import { isBlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import { retryDelayMs } from './retry.ts';

/** What ends the waiting between two calls; the next call tells why. */
export interface WaitDeps {
  readonly clock: Clock;
  readonly closing: AbortSignal;
  readonly signal: AbortSignal | undefined;
}

/** How long a call waits at the server. */
export interface WaitQuery {
  readonly waitMs?: number;
}

/**
 * Repeats `call`, which waits at the server, until what it gives `isOver`. Once one was answered, trouble that may pass
 * is waited for: `limits.followTries` in a row reject with the last. So the first is answered at once: a server that is
 * killed while a call waits there has answered none but that.
 */
export async function waitUntil<T>(
  { clock, closing, signal }: WaitDeps,
  call: (query: WaitQuery) => Promise<T>,
  isOver: (found: T) => boolean,
): Promise<T> {
  let tries = 1;
  let query: WaitQuery = {};
  for (let failures = 0; ; ) {
    try {
      const found = await call(query);
      if (isOver(found)) return found;
      failures = 0;
      tries = limits.followTries;
      query = { waitMs: limits.waitMsMax };
    } catch (error) {
      const mayPass = isBlixardError(error) && error.entry.fault === 'transient';
      if (!mayPass || ++failures >= tries) throw error;
      await sleep(clock, retryDelayMs(failures), signal, closing);
    }
  }
}
