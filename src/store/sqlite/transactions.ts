/** Runs groups of batches on the connection that writes, each group as one transaction. */
import { BlixardError } from '../../domain/errors.ts';
import type { StatementFacts } from '../check.ts';
import type { Statement } from '../database.ts';
import type { Connection } from './connection.ts';
import { isHostFailure, refused, unavailable } from './failure.ts';
import type { Table } from './row-reader.ts';

/** A statement that passed the check. */
export interface CheckedStatement {
  readonly statement: Statement;
  readonly facts: StatementFacts;
}

/** The statements of one caller: written together or not at all. */
export type Batch = readonly CheckedStatement[];

/** What one statement did; without rows it gave none. */
export interface Written {
  readonly rows: Table | null;
  readonly changes: number;
}

/** What became of one batch inside a transaction: what its statements did, or why it alone was undone. */
export type Outcome = readonly Written[] | BlixardError;

/** For what is no error of a caller: a line for the log. */
export type Tell = (level: 'debug' | 'warn', text: string, error: unknown) => void;

const begin: Statement = { sql: 'BEGIN IMMEDIATE' };
const commit: Statement = { sql: 'COMMIT' };
const rollBack: Statement = { sql: 'ROLLBACK' };
const savepoint: Statement = { sql: 'SAVEPOINT batch' };
const rollBackToSavepoint: Statement = { sql: 'ROLLBACK TO batch' };
const release: Statement = { sql: 'RELEASE batch' };

export class Transactions {
  readonly #writer: Connection;
  readonly #tell: Tell;

  constructor(deps: { writer: Connection; tell: Tell }) {
    this.#writer = deps.writer;
    this.#tell = deps.tell;
  }

  /** One transaction, on disk when this returns. Throws STORE_FULL or STORE_UNAVAILABLE: then nothing was written. */
  commit(group: readonly Batch[]): readonly Outcome[] {
    try {
      // Batches are hardly ever refused, so a group is first run without savepoints: they cost a third of it.
      return this.#commit(group, 'together') ?? this.#commit(group, 'apart') ?? [];
    } catch (error) {
      throw unavailable(error);
    }
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
    const written: Written[] = [];
    for (const { statement, facts } of batch) {
      try {
        written.push(this.#run(statement, facts));
      } catch (error) {
        // The whole transaction may be gone with it, so no other batch of the group may go on.
        if (isHostFailure(error)) throw error;
        return refused(error, written.length, statement.sql);
      }
    }
    return written;
  }

  #run(statement: Statement, facts: StatementFacts): Written {
    if (facts.givesRows) {
      const rows = this.#writer.table(statement);
      return { rows, changes: rows.values.length };
    }
    const changes = this.#writer.run(statement);
    // After a change of schema SQLite still tells the count of the write before it.
    return { rows: null, changes: facts.kind === 'schema' ? 0 : changes };
  }

  #rollBack(): void {
    try {
      this.#writer.run(rollBack);
    } catch (error) {
      // SQLite has already rolled back after most failures of the host, and then says that there is nothing to undo.
      this.#tell('debug', 'nothing left to roll back', error);
    }
  }

  /** Moves the WAL into the file: closing alone does not, @photostructure/sqlite keeps the file open for a while. */
  close(): void {
    try {
      this.#writer.run({ sql: 'PRAGMA wal_checkpoint(TRUNCATE)' });
    } catch (error) {
      this.#tell('warn', 'the WAL stays beside the store; the next start reads it', error);
    }
    this.#writer.close();
  }
}
