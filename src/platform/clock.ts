/** Time as a port: the real clock, and one that tests move by hand. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
  /** Milliseconds that never go back, for durations. */
  monotonicMs(): number;
  /** Calls `fire` once after `delayMs`, of any length; never where that is Infinity. */
  after(delayMs: number, fire: () => void): Timer;
}

/** Node fires a timer of more than this at once. */
const timerMsMax = 2 ** 31 - 1;

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, fire) {
    if (delayMs > timerMsMax) return afterLong(delayMs, fire);
    const handle = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

function afterLong(delayMs: number, fire: () => void): Timer {
  let timer = realClock.after(timerMsMax, () => {
    timer = realClock.after(delayMs - timerMsMax, fire);
  });
  return { cancel: () => timer.cancel() };
}

/**
 * Resolves after `delayMs`, or at once when one of `signals` aborts. It leaves nothing on them, where each
 * `AbortSignal.any` would stay on one that lives long.
 */
export function sleep(
  clock: Clock,
  delayMs: number,
  ...signals: readonly (AbortSignal | undefined)[]
): Promise<void> {
  if (signals.some((signal) => signal?.aborted)) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = (): void => {
      timer.cancel();
      for (const signal of signals) signal?.removeEventListener('abort', stop);
      resolve();
    };
    const timer = clock.after(delayMs, stop);
    for (const signal of signals) signal?.addEventListener('abort', stop, { once: true });
  });
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #nowMs: number;
  #nextId = 1;
  readonly #timers = new Map<number, { atMs: number; fire: () => void }>();

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fire: () => void): Timer {
    const id = this.#nextId++;
    this.#timers.set(id, { atMs: this.#nowMs + delayMs, fire });
    return { cancel: () => this.#timers.delete(id) };
  }

  /** Timers still waiting. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Moves time on, firing due timers in order of their time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers]
        .filter(([, t]) => t.atMs <= endMs)
        .sort((a, b) => a[1].atMs - b[1].atMs || a[0] - b[0]);
      const next = due[0];
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#nowMs = Math.max(this.#nowMs, next[1].atMs);
      next[1].fire();
    }
    this.#nowMs = endMs;
  }
}
