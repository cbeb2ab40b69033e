/** Runs groups of batches on one connection, each group as one transaction. */
import { BlixardError } from '../../domain/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { StatementFacts } from '../check.ts';
import type { Result, Statement } from '../database.ts';
import type { Connection } from './connection.ts';
import { isHostFailure, refused } from './failure.ts';

/** A statement that passed the check. */
export interface CheckedStatement {
  readonly statement: Statement;
  readonly facts: StatementFacts;
}

/** The statements of one caller: all of them are written, or none. */
export type Batch = readonly CheckedStatement[];

/** What became of one batch inside a transaction: its results, or why it alone was undone. */
export type Outcome = readonly Result[] | BlixardError;

const begin: Statement = { sql: 'BEGIN IMMEDIATE' };
const commit: Statement = { sql: 'COMMIT' };
const rollBack: Statement = { sql: 'ROLLBACK' };
const savepoint: Statement = { sql: 'SAVEPOINT batch' };
const rollBackToSavepoint: Statement = { sql: 'ROLLBACK TO batch' };
const release: Statement = { sql: 'RELEASE batch' };

export class Transactions {
  readonly #writer: Connection;
  readonly #log: Pick<Log, 'debug'>;
  readonly #onCommit: () => void;

  /** `onCommit` is called just before each COMMIT. */
  constructor(deps: { writer: Connection; log: Pick<Log, 'debug'>; onCommit?: () => void }) {
    this.#writer = deps.writer;
    this.#log = deps.log;
    this.#onCommit = deps.onCommit ?? (() => undefined);
  }

  /** Commits the group; gives an outcome for each of its batches. Throws when the host failed: all is undone then. */
  run(group: readonly Batch[]): Outcome[] {
    // Batches are hardly ever refused, so a group is first run without savepoints: they cost a third of it.
    return this.#commit(group, 'together') ?? this.#commit(group, 'apart') ?? [];
  }

  /** Undefined when a batch of a group that runs together was refused: nothing of the group was written then. */
  #commit(group: readonly Batch[], how: 'together' | 'apart'): Outcome[] | undefined {
    try {
      this.#writer.run(begin);
      const outcomes: Outcome[] = [];
      for (const batch of group) {
        const outcome = how === 'together' ? this.#runAll(batch) : this.#runApart(batch);
        if (how === 'together' && outcome instanceof BlixardError) {
          this.#writer.run(rollBack);
          return undefined;
        }
        outcomes.push(outcome);
      }
      this.#onCommit();
      this.#writer.run(commit);
      return outcomes;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #runApart(batch: Batch): Outcome {
    this.#writer.run(savepoint);
    const outcome = this.#runAll(batch);
    if (outcome instanceof BlixardError) this.#writer.run(rollBackToSavepoint);
    this.#writer.run(release);
    return outcome;
  }

  #runAll(batch: Batch): Outcome {
    const results: Result[] = [];
    for (const { statement, facts } of batch) {
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
