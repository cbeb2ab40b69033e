/**
 * Joins the batches that arrive in one turn of the event loop into one transaction, so they share one fsync. Under
 * heavy load a thread of its own commits them, while the group before is flushed and answered, and the next prepared.
 */
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import { failpoint } from '../../platform/failpoint.ts';
import type { Log } from '../../platform/log.ts';
import { CommitListeners } from '../commits.ts';
import type { Result } from '../database.ts';
import type { CommitThreadHost } from './commit-thread-host.ts';
import { errorOf, outcomeOf } from './commit-thread-messages.ts';
import type { Durability, FlushBy } from './durability.ts';
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

/** The thread has one under way, and the next at hand when that one ends. */
const groupsBeside = 2;

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
  /** Groups the thread has been given and has not told the end of. */
  #beside = 0;
  /** The answer to the last group the thread was given, and so to all. */
  #answered: Promise<void> = Promise.resolve();

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
    const { thread, durability } = this.#deps;
    if (thread?.isUnsettled !== true) return durability.settled();
    // What this one committed after the thread comes after it.
    return this.#answered.then(() => durability.settled());
  }

  /** Commits all that wait. */
  async drain(): Promise<void> {
    clearImmediate(this.#timer);
    while (this.#beside > 0) await this.#answered;
    while (this.#waiting.length > 0) this.#commitHere(this.#takeGroup());
    await this.#deps.durability.drain();
    await this.#deps.thread?.close();
  }

  #turnSoon(): void {
    if (this.#mayCommit) this.#timer ??= setImmediate(() => this.#turn());
  }

  /** While the thread writes, this one must not. */
  get #mayCommit(): boolean {
    if (this.#waiting.length === 0) return false;
    return this.#beside < (this.#deps.thread?.isWanted ? groupsBeside : 1);
  }

  /** One transaction per turn: between two of them the process can answer what it read. */
  #turn(): void {
    this.#timer = undefined;
    if (!this.#mayCommit) return;
    const { thread } = this.#deps;
    if (thread?.isWanted !== true) this.#commitHere(this.#takeGroup());
    // One half: while it is answered, and new ones come, the thread has the other.
    else this.#commitBeside(thread, this.#beside > 0 ? 1 : 2);
    this.#turnSoon();
  }

  #commitHere(group: readonly Waiting[]): void {
    const { transactions, clock, thread } = this.#deps;
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
    this.#answerOnDisk(group, outcomes, { flush: 'soon' });
  }

  /** Calls `then` once it is answered. */
  #answerOnDisk(
    group: readonly Waiting[],
    outcomes: readonly Outcome[],
    { flush, then }: { readonly flush: FlushBy; readonly then?: () => void },
  ): void {
    const answer = (): void => {
      this.#unanswered -= group.length;
      this.#committed(group, outcomes);
      then?.();
    };
    const fail = (failure: BlixardError): void => {
      this.#unanswered -= group.length;
      reject(group, failure);
      then?.();
    };
    this.#deps.durability.add({ answer, fail }, flush);
  }

  /** A part of what waits: all of it, or one of two. */
  #commitBeside(thread: CommitThreadHost, parts: number): void {
    const group = this.#takeGroup(Math.ceil(this.#waiting.length / parts));
    this.#unanswered += group.length;
    this.#beside++;
    this.#answered = this.#answerBeside(thread, group);
  }

  async #answerBeside(thread: CommitThreadHost, group: readonly Waiting[]): Promise<void> {
    const reply = await thread.commit(group.map(({ batch }) => batch));
    this.#beside--;
    if (reply?.kind === 'committed') {
      failpoint('store-committed');
      thread.ran(reply.commitMs);
      this.#stats.beside++;
      const outcomes = reply.outcomes.map(outcomeOf);
      const flushed = new Promise<void>((then) => {
        this.#answerOnDisk(group, outcomes, { flush: 'beside', then });
      });
      // The next group is under way while this one is flushed.
      this.#turn();
      await flushed;
      thread.settled();
      return;
    }
    this.#unanswered -= group.length;
    if (reply === undefined)
      reject(
        group,
        this.#deps.durability.fail(new Error('the thread that commits ended in the middle of it')),
      );
    else this.#failed(group, errorOf(reply.error));
    this.#turnSoon();
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
