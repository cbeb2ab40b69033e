/** Sleeping until something is signalled, a while has passed in silence, or nobody waits any more. */
import type { Clock, Timer } from '../platform/clock.ts';

/** Remembers a signal that comes while its owner is awake, so none is missed. */
export class Wakeup {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #isWoken = false;
  #resume: (() => void) | undefined;

  constructor(deps: { clock: Clock; signal: AbortSignal }) {
    this.#clock = deps.clock;
    this.#signal = deps.signal;
  }

  wake(): void {
    this.#isWoken = true;
    this.#resume?.();
  }

  /** Resolves at the first of: a wake since the last call, `silenceMs` over (if given), the signal aborted. */
  async next(silenceMs?: number): Promise<'woken' | 'silence' | 'aborted'> {
    if (!this.#isWoken && !this.#signal.aborted) await this.#sleep(silenceMs);
    if (this.#signal.aborted) return 'aborted';
    const why = this.#isWoken ? 'woken' : 'silence';
    this.#isWoken = false;
    return why;
  }

  #sleep(silenceMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        timer?.cancel();
        this.#signal.removeEventListener('abort', over);
        this.#resume = undefined;
        resolve();
      };
      const timer: Timer | undefined =
        silenceMs === undefined ? undefined : this.#clock.after(silenceMs, over);
      this.#signal.addEventListener('abort', over, { once: true });
      this.#resume = over;
    });
  }
}
