/** Joins the batches that arrive in one turn of the event loop, or during a transaction, so they share one fsync. */
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { failpoint } from '../../platform/failpoint.ts';
import type { Log } from '../../platform/log.ts';
import { CommitListeners } from '../commits.ts';
import type { Result } from '../database.ts';
import type { Committer } from './committer.ts';
import { unavailable } from './failure.ts';
import { rowsOf } from './row-reader.ts';
import type { Batch, Outcome } from './transactions.ts';

/** So many batches are worth a transaction beside this thread; while it runs, the next gather. */
const worthATransaction = 16;

interface Waiting {
  readonly batch: Batch;
  readonly resolve: (results: readonly Result[]) => void;
  readonly reject: (error: BlixardError) => void;
}

export interface CommitStats {
  /** Transactions that were committed. */
  readonly commits: number;
  /** Batches that were run, refused ones included. */
  readonly batches: number;
  /** Of the batches that were run. */
  readonly statements: number;
}

export class GroupCommit {
  /** Told after each COMMIT, once its answers are on their way. */
  readonly listeners = new CommitListeners();
  readonly #committer: Committer;
  readonly #log: Log;
  readonly #stats = { commits: 0, batches: 0, statements: 0 };
  #waiting: Waiting[] = [];
  #timer: NodeJS.Immediate | undefined;
  /** The transaction under way beside this thread. */
  #under: Promise<void> | undefined;

  constructor(deps: { committer: Committer; log: Log }) {
    this.#committer = deps.committer;
    this.#log = deps.log;
  }

  stats(): CommitStats {
    return { ...this.#stats };
  }

  /** Resolves after the COMMIT. Rejects with CONSTRAINT, OVERLOADED, STORE_FULL or STORE_UNAVAILABLE. */
  add(batch: Batch): Promise<readonly Result[]> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= limits.writeQueue) {
        reject(new BlixardError('OVERLOADED', { problem: `${limits.writeQueue} writes wait for the store` }));
        return;
      }
      this.#waiting.push({ batch, resolve, reject });
      const isWorthIt = this.#committer.isBeside === true && this.#waiting.length >= worthATransaction;
      if (isWorthIt && this.#under === undefined) this.#commitGroup();
      else this.#soon();
    });
  }

  /** Commits all that wait, now. */
  async drain(): Promise<void> {
    clearImmediate(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0 || this.#under !== undefined) {
      if (this.#under === undefined) this.#commitGroup();
      if (this.#under !== undefined) await this.#under;
    }
  }

  /** One transaction per turn: between two of them the process can answer what it read. */
  #soon(): void {
    if (this.#under !== undefined || this.#waiting.length === 0) return;
    this.#timer ??= setImmediate(() => {
      this.#timer = undefined;
      if (this.#under === undefined && this.#waiting.length > 0) this.#commitGroup();
      this.#soon();
    });
  }

  #commitGroup(): void {
    const group = this.#takeGroup();
    try {
      const outcomes = this.#committer.commit(group.map(({ batch }) => batch));
      if (outcomes instanceof Promise) this.#under = this.#settleLater(group, outcomes);
      else this.#settle(group, outcomes);
    } catch (error) {
      this.#fail(group, error);
    }
  }

  async #settleLater(group: readonly Waiting[], outcomes: Promise<readonly Outcome[]>): Promise<void> {
    try {
      const known = await outcomes;
      this.#under = undefined;
      this.#settle(group, known);
    } catch (error) {
      this.#under = undefined;
      this.#fail(group, error);
    }
    this.#soon();
  }

  #takeGroup(): Waiting[] {
    let statements = 0;
    let batches = 0;
    for (const { batch } of this.#waiting) {
      statements += batch.length;
      // The first batch always fits: it was checked against the same bound when it came in.
      if (batches === limits.groupCommitBatches || statements > limits.batchStatements) break;
      batches++;
    }
    const group = this.#waiting.slice(0, batches);
    this.#waiting = this.#waiting.slice(batches);
    return group;
  }

  #settle(group: readonly Waiting[], outcomes: readonly Outcome[]): void {
    failpoint('store-committed');
    this.#stats.commits++;
    this.#stats.batches += group.length;
    for (const { batch } of group) this.#stats.statements += batch.length;
    for (const [index, outcome] of outcomes.entries()) answer(group[index], outcome);
    this.listeners.tell();
  }

  #fail(group: readonly Waiting[], error: unknown): void {
    const failure = error instanceof BlixardError ? error : unavailable(error);
    this.#log.error({ err: failure, batches: group.length }, 'a transaction could not be committed');
    for (const batch of group) batch.reject(failure);
  }
}

function answer(batch: Waiting | undefined, outcome: Outcome): void {
  if (outcome instanceof BlixardError) batch?.reject(outcome);
  else
    batch?.resolve(
      outcome.map(({ rows, changes }) => ({ rows: rows === null ? [] : rowsOf(rows), changes })),
    );
}
