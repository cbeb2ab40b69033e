/**
 * Joins the batches that arrive in one turn of the event loop into one transaction, so they share one fsync. Under
 * heavy load a thread of its own commits them, while this one answers the group before and prepares the next.
 */
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import { failpoint } from '../../platform/failpoint.ts';
import type { Log } from '../../platform/log.ts';
import { CommitListeners } from '../commits.ts';
import type { Result } from '../database.ts';
import type { CommitThreadHost, GroupReply } from './commit-thread-host.ts';
import { errorOf, outcomeOf } from './commit-thread-messages.ts';
import type { Durability } from './durability.ts';
import { unavailable } from './failure.ts';
import type { Batch, Outcome, Transactions } from './transactions.ts';

interface Waiting {
  readonly batch: Batch;
  readonly resolve: (results: readonly Result[]) => void;
  readonly reject: (error: BlixardError) => void;
}

export interface CommitStats {
  /** Transactions that were committed. */
  readonly commits: number;
  /** Those of them that a thread of its own has committed. */
  readonly beside: number;
  /** Batches that were run, refused ones included. */
  readonly batches: number;
  /** Of the batches that were run. */
  readonly statements: number;
}

/** What groups are committed with; without a thread this one does it all. */
export interface GroupCommitDeps {
  readonly transactions: Transactions;
  readonly durability: Durability;
  readonly clock: Clock;
  readonly log: Log;
  readonly thread?: CommitThreadHost | undefined;
}

export class GroupCommit {
  /** Told after each COMMIT, once its answers are on their way. */
  readonly listeners = new CommitListeners();
  readonly #deps: GroupCommitDeps;
  readonly #stats = { commits: 0, beside: 0, batches: 0, statements: 0 };
  #waiting: Waiting[] = [];
  /** Batches that were taken to be committed and are not answered yet. */
  #unanswered = 0;
  #timer: NodeJS.Immediate | undefined;
  /** The end of the group that the thread commits. */
  #beside: Promise<void> | undefined;

  constructor(deps: GroupCommitDeps) {
    this.#deps = deps;
  }

  stats(): CommitStats {
    return { ...this.#stats };
  }

  /** Resolves when the COMMIT is on disk. Rejects with CONSTRAINT, OVERLOADED, STORE_FULL or STORE_UNAVAILABLE. */
  add(batch: Batch): Promise<readonly Result[]> {
    return new Promise((resolve, reject) => {
      const { failure } = this.#deps.durability;
      if (failure !== undefined) {
        reject(failure);
        return;
      }
      if (this.#waiting.length + this.#unanswered >= limits.writeQueue) {
        reject(new BlixardError('OVERLOADED', { problem: `${limits.writeQueue} writes wait for the store` }));
        return;
      }
      this.#waiting.push({ batch, resolve, reject });
      this.#turnSoon();
    });
  }

  /** Resolves when all that may be committed now is on disk, or nobody knows; undefined when it is. */
  settled(): Promise<void> | undefined {
    return this.#deps.thread?.isUnsettled ? this.#beside : this.#deps.durability.settled();
  }

  /** Commits all that wait. */
  async drain(): Promise<void> {
    clearImmediate(this.#timer);
    while (this.#beside !== undefined) await this.#beside;
    while (this.#waiting.length > 0) this.#commitHere(this.#takeGroup());
    await this.#deps.durability.drain();
    await this.#deps.thread?.close();
  }

  #turnSoon(): void {
    if (this.#beside === undefined && this.#waiting.length > 0)
      this.#timer ??= setImmediate(() => this.#turn());
  }

  /** One transaction per turn: between two of them the process can answer what it read. */
  #turn(): void {
    this.#timer = undefined;
    if (this.#beside !== undefined || this.#waiting.length === 0) return;
    const { thread, durability } = this.#deps;
    if (thread?.isWanted !== true) this.#commitHere(this.#takeGroup());
    // What was committed here before is answered before.
    else if (durability.settled() !== undefined) this.#beside = this.#untilSettled();
    // One half: while it is answered, and new ones come, the thread has the other.
    else this.#beside = this.#commitBeside(thread, this.#takeGroup(Math.ceil(this.#waiting.length / 2)));
    this.#turnSoon();
  }

  async #untilSettled(): Promise<void> {
    await this.#deps.durability.settled();
    this.#beside = undefined;
    this.#turnSoon();
  }

  #commitHere(group: readonly Waiting[]): void {
    const { transactions, durability, clock, thread } = this.#deps;
    const sinceMs = clock.monotonicMs();
    let outcomes: Outcome[];
    try {
      outcomes = transactions.run(group.map(({ batch }) => batch));
    } catch (error) {
      this.#failed(group, unavailable(error));
      return;
    }
    thread?.ran(clock.monotonicMs() - sinceMs);
    failpoint('store-committed');
    this.#unanswered += group.length;
    durability.add({
      answer: () => {
        this.#unanswered -= group.length;
        this.#committed(group, outcomes);
      },
      fail: (failure) => {
        this.#unanswered -= group.length;
        reject(group, failure);
      },
    });
  }

  async #commitBeside(thread: CommitThreadHost, group: readonly Waiting[]): Promise<void> {
    this.#unanswered += group.length;
    const reply = await thread.commit(group.map(({ batch }) => batch));
    if (reply?.kind === 'committed') {
      failpoint('store-committed');
      thread.ran(reply.commitMs);
    }
    this.#unanswered -= group.length;
    this.#goOn(thread);
    this.#answerBeside(group, reply);
  }

  /** The next group is under way before this one is answered. */
  #goOn(thread: CommitThreadHost): void {
    this.#beside = undefined;
    if (this.#waiting.length > 0 && thread.isWanted)
      this.#beside = this.#commitBeside(thread, this.#takeGroup());
    this.#turnSoon();
  }

  #answerBeside(group: readonly Waiting[], reply: GroupReply): void {
    if (reply?.kind === 'committed') {
      this.#stats.beside++;
      this.#committed(group, reply.outcomes.map(outcomeOf));
    } else if (reply?.kind === 'failed') {
      this.#failed(group, errorOf(reply.error));
    } else {
      const ended = new Error('the thread that commits ended in the middle of it');
      reject(group, this.#deps.durability.fail(reply === undefined ? ended : errorOf(reply.error)));
    }
  }

  #committed(group: readonly Waiting[], outcomes: readonly Outcome[]): void {
    this.#stats.commits++;
    this.#stats.batches += group.length;
    for (const [index, outcome] of outcomes.entries()) {
      const waiting = group[index];
      this.#stats.statements += waiting?.batch.length ?? 0;
      if (outcome instanceof BlixardError) waiting?.reject(outcome);
      else waiting?.resolve(outcome);
    }
    this.listeners.tell();
  }

  #failed(group: readonly Waiting[], failure: BlixardError): void {
    this.#deps.log.error({ err: failure, batches: group.length }, 'a transaction could not be committed');
    reject(group, failure);
  }

  #takeGroup(most = Number.POSITIVE_INFINITY): Waiting[] {
    let statements = 0;
    let batches = 0;
    for (const { batch } of this.#waiting) {
      statements += batch.length;
      // The first batch always fits: it was checked against the same bound when it came in.
      if (batches === most || batches === limits.groupCommitBatches || statements > limits.batchStatements)
        break;
      batches++;
    }
    const group = this.#waiting.slice(0, batches);
    this.#waiting = this.#waiting.slice(batches);
    return group;
  }
}

function reject(group: readonly Waiting[], failure: BlixardError): void {
  for (const waiting of group) waiting.reject(failure);
}
