/** Tells whether transactions are long enough, one after another, that another thread should run them. */

/** A shorter transaction costs less than a turn of another thread: some 0.2 ms where a core has to be woken for it. */
const heavyMs = 2;
/** So many, each within so long after the one before: a start, or one large batch, is no load. */
const least = 4;
const withinMs = 50;

/** Learns from the transactions that were run, wherever. */
export class HeavyLoad {
  #count = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** A transaction took this long, and ended now. */
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
