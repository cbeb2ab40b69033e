/** Joins the batches that arrive in one turn of the event loop into one transaction, so they share one fsync. */
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { failpoint } from '../../platform/failpoint.ts';
import type { Log } from '../../platform/log.ts';
import type { StatementFacts } from '../check.ts';
import { CommitListeners } from '../commits.ts';
import type { Result, Statement } from '../database.ts';
import type { Connection } from './connection.ts';
import type { Durability } from './durability.ts';
import { isHostFailure, refused, unavailable } from './failure.ts';

/** A statement that passed the check. */
export interface CheckedStatement {
  readonly statement: Statement;
  readonly facts: StatementFacts;
}

interface Waiting {
  readonly statements: readonly CheckedStatement[];
  readonly resolve: (results: readonly Result[]) => void;
  readonly reject: (error: BlixardError) => void;
}

/** What became of one batch inside a transaction: its results, or why it alone was undone. */
type Outcome = readonly Result[] | BlixardError;

export interface CommitStats {
  /** Transactions that were committed. */
  readonly commits: number;
  /** Batches that were run, refused ones included. */
  readonly batches: number;
  /** Of the batches that were run. */
  readonly statements: number;
}

const begin: Statement = { sql: 'BEGIN IMMEDIATE' };
const commit: Statement = { sql: 'COMMIT' };
const rollBack: Statement = { sql: 'ROLLBACK' };
const savepoint: Statement = { sql: 'SAVEPOINT batch' };
const rollBackToSavepoint: Statement = { sql: 'ROLLBACK TO batch' };
const release: Statement = { sql: 'RELEASE batch' };

export class GroupCommit {
  /** Told after each COMMIT, once its answers are on their way. */
  readonly listeners = new CommitListeners();
  readonly #writer: Connection;
  readonly #durability: Durability;
  readonly #log: Log;
  readonly #stats = { commits: 0, batches: 0, statements: 0 };
  #waiting: Waiting[] = [];
  /** Batches that are committed and not answered yet. */
  #unflushed = 0;
  #timer: NodeJS.Immediate | undefined;

  constructor(deps: { writer: Connection; durability: Durability; log: Log }) {
    this.#writer = deps.writer;
    this.#durability = deps.durability;
    this.#log = deps.log;
  }

  stats(): CommitStats {
    return { ...this.#stats };
  }

  /** Resolves when the COMMIT is on disk. Rejects with CONSTRAINT, OVERLOADED, STORE_FULL or STORE_UNAVAILABLE. */
  add(statements: readonly CheckedStatement[]): Promise<readonly Result[]> {
    return new Promise((resolve, reject) => {
      const { failure } = this.#durability;
      if (failure !== undefined) {
        reject(failure);
        return;
      }
      if (this.#waiting.length + this.#unflushed >= limits.writeQueue) {
        reject(new BlixardError('OVERLOADED', { problem: `${limits.writeQueue} writes wait for the store` }));
        return;
      }
      this.#waiting.push({ statements, resolve, reject });
      this.#timer ??= setImmediate(() => this.#turn());
    });
  }

  /** Commits all that wait, now. */
  drain(): void {
    clearImmediate(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0) this.#commitGroup();
  }

  /** One transaction per turn: between two of them the process can answer what it read. */
  #turn(): void {
    this.#timer = undefined;
    this.#commitGroup();
    if (this.#waiting.length > 0) this.#timer = setImmediate(() => this.#turn());
  }

  #commitGroup(): void {
    const group = this.#takeGroup();
    try {
      // Batches are hardly ever refused, so a group is first run without savepoints: they cost a third of it.
      const outcomes = this.#commit(group, 'together') ?? this.#commit(group, 'apart') ?? [];
      this.#unflushed += group.length;
      this.#durability.add({
        answer: () => {
          this.#unflushed -= group.length;
          for (const [index, outcome] of outcomes.entries()) answer(group[index], outcome);
          this.listeners.tell();
        },
        fail: (failure) => {
          this.#unflushed -= group.length;
          for (const batch of group) batch.reject(failure);
        },
      });
    } catch (error) {
      const failure = unavailable(error);
      this.#log.error({ err: failure, batches: group.length }, 'a transaction could not be committed');
      for (const batch of group) batch.reject(failure);
    }
  }

  #takeGroup(): Waiting[] {
    let statements = 0;
    let batches = 0;
    for (const batch of this.#waiting) {
      statements += batch.statements.length;
      // The first batch always fits: it was checked against the same bound when it came in.
      if (batches === limits.groupCommitBatches || statements > limits.batchStatements) break;
      batches++;
    }
    const group = this.#waiting.slice(0, batches);
    this.#waiting = this.#waiting.slice(batches);
    return group;
  }

  /** Undefined when a batch of a group that runs together was refused: nothing of the group was written then. */
  #commit(group: readonly Waiting[], how: 'together' | 'apart'): Outcome[] | undefined {
    try {
      this.#writer.run(begin);
      const outcomes: Outcome[] = [];
      let statements = 0;
      for (const batch of group) {
        const outcome =
          how === 'together' ? this.#runAll(batch.statements) : this.#runApart(batch.statements);
        if (how === 'together' && outcome instanceof BlixardError) {
          this.#writer.run(rollBack);
          return undefined;
        }
        statements += batch.statements.length;
        outcomes.push(outcome);
      }
      this.#writer.run(commit);
      failpoint('store-committed');
      this.#count(group.length, statements);
      return outcomes;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #count(batches: number, statements: number): void {
    this.#stats.commits++;
    this.#stats.batches += batches;
    this.#stats.statements += statements;
  }

  #runApart(statements: readonly CheckedStatement[]): Outcome {
    this.#writer.run(savepoint);
    const outcome = this.#runAll(statements);
    if (outcome instanceof BlixardError) this.#writer.run(rollBackToSavepoint);
    this.#writer.run(release);
    return outcome;
  }

  #runAll(statements: readonly CheckedStatement[]): Outcome {
    const results: Result[] = [];
    for (const { statement, facts } of statements) {
      try {
        results.push(this.#run(statement, facts));
      } catch (error) {
        // The whole transaction may be gone with it, so no other batch of the group may go on.
        if (isHostFailure(error)) throw error;
        return refused(error, results.length, statement.sql);
      }
    }
    return results;
  }

  #run(statement: Statement, facts: StatementFacts): Result {
    if (facts.givesRows) {
      const rows = this.#writer.rows(statement);
      return { rows, changes: rows.length };
    }
    const changes = this.#writer.run(statement);
    // After a change of schema SQLite still tells the count of the write before it.
    return { rows: [], changes: facts.kind === 'schema' ? 0 : changes };
  }

  #rollBack(): void {
    try {
      this.#writer.run(rollBack);
    } catch (error) {
      // SQLite has already rolled back after most failures of the host, and then says that there is nothing to undo.
      this.#log.debug({ err: error }, 'nothing left to roll back');
    }
  }
}

function answer(batch: Waiting | undefined, outcome: Outcome): void {
  if (outcome instanceof BlixardError) batch?.reject(outcome);
  else batch?.resolve(outcome);
}
