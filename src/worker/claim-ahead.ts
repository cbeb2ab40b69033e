/** How many light jobs a worker claims beyond those it runs: what its slots do in a moment, and nothing that lasts. */
import { defaults } from '../domain/defaults.ts';

/** Weight of the newest attempt in the mean. */
const newestCounts = 0.05;

/** Learns from the attempts that end; knows nothing, and claims nothing ahead, until the first has. */
export class ClaimAhead {
  readonly #slots: number;
  readonly #max: number;
  #attemptMs: number | undefined;

  constructor(deps: { readonly slots: number; readonly max: number }) {
    this.#slots = deps.slots;
    this.#max = deps.max;
  }

  /** Claims that may wait now. */
  get allowed(): number {
    if (this.#attemptMs === undefined) return 0;
    const { claimAheadMs } = defaults;
    return Math.min(
      this.#max,
      Math.floor((this.#slots * claimAheadMs) / Math.max(this.#attemptMs, 1 / this.#max)),
    );
  }

  /** An attempt took this long. */
  took(ms: number): void {
    this.#attemptMs =
      this.#attemptMs === undefined ? ms : this.#attemptMs + (ms - this.#attemptMs) * newestCounts;
  }

  /** None has ended for this long. */
  stalled(ms: number): void {
    this.#attemptMs = Math.max(ms, this.#attemptMs ?? 0);
  }
}
