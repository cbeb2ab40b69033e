/** When transactions are long enough, one after another, that another thread should run them. */

/** Shorter ones are not worth a turn of another thread: 0.2 ms where a core has to be woken for it, and a flush. */
const heavyMs = 4;
/** So many, each within so long after the one before: a start, or one large batch, is no load. */
const least = 4;
const withinMs = 50;

/** Whether another thread should run the next transaction, from how long those before it took. */
export interface Load {
  /** A transaction took this long, here or there, and ended now. */
  ran(tookMs: number, nowMs: number): void;
  isHeavy(nowMs: number): boolean;
}

export class HeavyLoad implements Load {
  #count = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  ran(tookMs: number, nowMs: number): void {
    if (nowMs - this.#lastMs > withinMs) this.#count = 0;
    if (tookMs < heavyMs) return;
    this.#count++;
    this.#lastMs = nowMs;
  }

  isHeavy(nowMs: number): boolean {
    return this.#count >= least && nowMs - this.#lastMs <= withinMs;
  }
}
