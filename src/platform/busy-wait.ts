/**
 * Waiting for what comes within moments, without sleep: to wake a thread, whose caches are cold by then, can cost more
 * than the wait itself.
 */

/** The event loop turns on while something is awaited that came quickly the last time; all else goes on meanwhile. */
export class BusyWait {
  readonly #maxMs: number;
  #sinceMs: number | undefined;
  #cameQuickly = false;
  #isTurning = false;
  readonly #turn = (): void => {
    this.#isTurning = this.#sinceMs !== undefined && performance.now() - this.#sinceMs < this.#maxMs;
    if (this.#isTurning) setImmediate(this.#turn);
  };

  /** No wait is busy for longer than `maxMs`, and none is after one that took longer. */
  constructor(maxMs: number) {
    this.#maxMs = maxMs;
  }

  get isBusy(): boolean {
    return this.#isTurning;
  }

  /** It is awaited from now on. */
  begin(): void {
    this.#sinceMs = performance.now();
    if (!this.#cameQuickly || this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(this.#turn);
  }

  /** It has come, or is awaited no more. */
  end(): void {
    if (this.#sinceMs === undefined) return;
    this.#cameQuickly = performance.now() - this.#sinceMs < this.#maxMs;
    this.#sinceMs = undefined;
  }
}
