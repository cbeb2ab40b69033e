/** A deadline for a call, beside the signal its caller may have given. */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../platform/clock.ts';
import { LazySignal } from '../platform/lazy-signal.ts';

/** Aborts when its time is over or the outer signal aborts; `isOver` tells the first from the second. */
export class Deadline {
  /** Aborts with `signal`, without one being made. */
  readonly gone = new LazySignal();
  readonly #outer: AbortSignal | undefined;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #abort = (): void => this.gone.abort();
  #timer: { cancel(): void };
  #isOver = false;

  constructor(deps: { clock: Clock; timeoutMs: number; signal: AbortSignal | undefined }) {
    this.#clock = deps.clock;
    this.#timeoutMs = deps.timeoutMs;
    this.#outer = deps.signal;
    this.#timer = this.#start();
    if (deps.signal?.aborted) this.#abort();
    if (deps.signal !== undefined) shareByMany(deps.signal);
    deps.signal?.addEventListener('abort', this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.gone.signal;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Stops the time until `restart`. */
  pause(): void {
    this.#timer.cancel();
  }

  /** Starts the time anew. */
  restart(): void {
    this.#timer.cancel();
    this.#timer = this.#start();
  }

  /** Lets go of clock and outer signal. */
  stop(): void {
    this.#timer.cancel();
    this.#outer?.removeEventListener('abort', this.#abort);
  }

  #start(): { cancel(): void } {
    return this.#clock.after(this.#timeoutMs, () => {
      this.#isOver = true;
      this.#abort();
    });
  }
}

/** It may be that of all calls of an application, and Node warns of more than ten listeners as of a leak. */
function shareByMany(signal: AbortSignal): void {
  try {
    setMaxListeners(0, signal);
  } catch {
    // One of another make, such as jsdom's, gives no such warning.
  }
}
