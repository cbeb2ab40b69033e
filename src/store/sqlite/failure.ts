/** Turns what SQLite throws into the errors of the Database port. */
import { BlixardError, problemOf } from '../../domain/errors.ts';

/** Primary result codes that speak of the host, not of the statement (sqlite.org/rescode.html). */
const hostCodes = new Map([
  [3, 'SQLITE_PERM'],
  [5, 'SQLITE_BUSY'],
  [6, 'SQLITE_LOCKED'],
  [7, 'SQLITE_NOMEM'],
  [8, 'SQLITE_READONLY'],
  [9, 'SQLITE_INTERRUPT'],
  [10, 'SQLITE_IOERR'],
  [11, 'SQLITE_CORRUPT'],
  [13, 'SQLITE_FULL'],
  [14, 'SQLITE_CANTOPEN'],
  [15, 'SQLITE_PROTOCOL'],
  [23, 'SQLITE_AUTH'],
  [26, 'SQLITE_NOTADB'],
]);

const busy = 5;
const full = 13;

/** True when the host failed: disk full, I/O error, a damaged file. The transaction may be gone then. */
export function isHostFailure(error: unknown): boolean {
  return hostCodes.has(primaryCode(error));
}

/** True when somebody else holds the lock. */
export function isBusy(error: unknown): boolean {
  return primaryCode(error) === busy;
}

/** STORE_FULL or STORE_UNAVAILABLE, naming SQLite's own code. */
export function unavailable(error: unknown): BlixardError {
  const code = primaryCode(error);
  const name = hostCodes.get(code);
  const problem = name === undefined ? problemOf(error) : `${problemOf(error)} (${name})`;
  const told = code === full ? 'STORE_FULL' : 'STORE_UNAVAILABLE';
  return new BlixardError(told, { problem }, { cause: error });
}

/** CONSTRAINT for a statement that SQLite refused; `index` is its place in the batch, from 0. */
export function refused(error: unknown, index: number, sql: string): BlixardError {
  const details = {
    problem: `${problemOf(error)} (statement ${index}: ${opening(sql)})`,
    statement: `${index}`,
  };
  return new BlixardError('CONSTRAINT', details, { cause: error });
}

function opening(sql: string): string {
  return sql.trim().slice(0, 60);
}

function primaryCode(error: unknown): number {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return 0;
  // The low byte of an extended result code is its primary code.
  return error.errcode & 0xff;
}
