/** The Database port: what rqlite can do, so all that SQLite may do (DESIGN §6). */

/** Integers within 2^53; no booleans, no bytes (files hold bytes). */
export type SqlValue = null | string | number;
export type Row = Readonly<Record<string, SqlValue>>;

export interface Statement {
  /** Plain `?` placeholders; no clock, no random, `RETURNING ` on one line. */
  readonly sql: string;
  readonly args?: readonly SqlValue[];
}

/** Rows when the statement has RETURNING, else none; `changes` counts the rows written either way. */
export interface Result {
  readonly rows: readonly Row[];
  readonly changes: number;
}

/** `any` may be stale; `leader` reads the leader's copy; `linearizable` sees every write that was answered. */
export type ReadLevel = 'any' | 'leader' | 'linearizable';

export interface Database {
  /**
   * One atomic, durable, serialised write of all statements, in order. Resolves when it is on disk. When it
   * rejects, nothing was written: CONSTRAINT (a statement was refused), VALIDATION_FAILED (a text that
   * would come back changed), OVERLOADED (too many writes wait), or STORE_UNAVAILABLE (the outcome may be unknown;
   * sending the same batch again is safe).
   */
  batch(statements: readonly Statement[]): Promise<readonly Result[]>;
  /** One read. Rejects with STORE_UNAVAILABLE, or CONSTRAINT for SQL that is wrong. */
  query(statement: Statement, options?: { readonly level?: ReadLevel }): Promise<readonly Row[]>;
  /** Finishes what waits; every later call rejects with STORE_UNAVAILABLE. */
  close(): Promise<void>;
}
