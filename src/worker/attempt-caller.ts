/** Calls the server about one attempt until it answers, but not for ever: what it holds up has an end. */

import { defaults } from '../domain/defaults.ts';
import { BlixardError, isBlixardError } from '../domain/errors.ts';
import { formatDurationMs } from '../domain/units.ts';
import type { Timer } from '../platform/clock.ts';
import { type CallerDeps, untilAnswered } from './until-answered.ts';

/** Whom to ask whether the server is there, and what ends the calls. */
export interface AttemptCallerDeps extends CallerDeps {
  /** While this holds, the end of the attempt could not be told either, so its calls wait, too. */
  readonly isServerAway: () => boolean;
  /** The server says that this attempt is not ours any more. */
  readonly onFenced: () => void;
  /** The attempt was killed: what it tells is of no more use. */
  readonly kill: AbortSignal;
}

/** The calls of one attempt. */
export class AttemptCaller {
  readonly #deps: AttemptCallerDeps;

  constructor(deps: AttemptCallerDeps) {
    this.#deps = deps;
  }

  /**
   * Repeats `call` until it is answered. Rejects with what the server says is wrong, and with OVERLOADED when it is
   * there and has not answered within `defaults.outputDrainMs`; also when the attempt was killed.
   */
  async ask<T>(what: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const signal = AbortSignal.any([this.#deps.kill, late.signal]);
    const timer = this.#lateAfter(defaults.outputDrainMs, late);
    try {
      return await untilAnswered(this.#deps, what, signal, () => call(signal));
    } catch (error) {
      if (isBlixardError(error, 'FENCED')) this.#deps.onFenced();
      if (late.signal.aborted && !this.#deps.kill.aborted) {
        const problem = `the server has not taken it within ${formatDurationMs(defaults.outputDrainMs)}`;
        throw new BlixardError('OVERLOADED', { problem }, { cause: error });
      }
      throw error;
    } finally {
      timer.cancel();
    }
  }

  /** A server that is away, or just back, gets the whole time. */
  #lateAfter(waitMs: number, late: AbortController, wasAway = false): Pick<Timer, 'cancel'> {
    let next: Pick<Timer, 'cancel'> | undefined;
    const timer = this.#deps.clock.after(waitMs, () => {
      const isAway = this.#deps.isServerAway();
      if (isAway || wasAway) next = this.#lateAfter(waitMs, late, isAway);
      else late.abort();
    });
    return { cancel: () => (next ?? timer).cancel() };
  }
}
