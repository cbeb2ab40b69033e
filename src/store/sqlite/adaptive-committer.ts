/**
 * Commits in this thread while that is soon done, and beside it while commits are long: then this thread goes on while
 * SQLite works and the disk syncs, at the price of a message there and back.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Committer } from './committer.ts';
import type { ThreadedCommitter } from './threaded-committer.ts';
import type { Batch, Outcome } from './transactions.ts';

/** A commit that takes this long would rather have been made beside this thread, ms. */
const longFromMs = 0.5;
/** So many long ones in a row, and the next are made there. */
const longInARow = 3;
/** After so long without a long one they are made here again, ms. */
const calmAfterMs = 1_000;

interface Deps {
  readonly here: Committer;
  /** Opens the same file in another thread. */
  readonly open: () => Promise<ThreadedCommitter>;
  readonly clock: Clock;
  readonly log: Log;
  /** From so many ms on a commit is long. */
  readonly longMs?: number;
}

export class AdaptiveCommitter implements Committer {
  readonly #deps: Deps;
  #long = 0;
  #lastLongMs = 0;
  /** Opened when it is first needed: most stores never are that busy. */
  #beside: ThreadedCommitter | undefined;
  #opening: Promise<void> | undefined;
  #isBeside = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  get isBeside(): boolean {
    return this.#isBeside;
  }

  commit(group: readonly Batch[]): readonly Outcome[] | Promise<readonly Outcome[]> {
    const beside = this.#choose();
    return beside === undefined ? this.#commitHere(group) : this.#commitBeside(beside, group);
  }

  async close(): Promise<void> {
    await this.#opening;
    await this.#beside?.close();
    await this.#deps.here.close();
  }

  #choose(): ThreadedCommitter | undefined {
    if (this.#beside?.gone !== undefined) {
      this.#deps.log.error({ err: this.#beside.gone }, 'commits are made in the main thread from now on');
      this.#beside = undefined;
    }
    const isLong = this.#long >= longInARow;
    if (isLong) this.#opening ??= this.#open();
    const isCalm = this.#deps.clock.monotonicMs() - this.#lastLongMs > calmAfterMs;
    this.#isBeside = this.#beside !== undefined && (isLong || (this.#isBeside && !isCalm));
    return this.#isBeside ? this.#beside : undefined;
  }

  #commitHere(group: readonly Batch[]): readonly Outcome[] | Promise<readonly Outcome[]> {
    const begin = performance.now();
    try {
      return this.#deps.here.commit(group);
    } finally {
      this.#took(performance.now() - begin);
    }
  }

  async #commitBeside(beside: ThreadedCommitter, group: readonly Batch[]): Promise<readonly Outcome[]> {
    const outcomes = await beside.commit(group);
    this.#took(beside.lastTookMs);
    return outcomes;
  }

  #took(ms: number): void {
    if (ms < (this.#deps.longMs ?? longFromMs)) {
      this.#long = 0;
      return;
    }
    this.#long++;
    this.#lastLongMs = this.#deps.clock.monotonicMs();
  }

  async #open(): Promise<void> {
    try {
      this.#beside = await this.#deps.open();
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'no thread for commits; they are made in the main thread');
    }
  }
}
