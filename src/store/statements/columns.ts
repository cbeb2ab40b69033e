/**
 * Reads the columns of a row as the types the schema gives them; anything else is a bug and throws
 * INTERNAL.
 */
import { BlixardError } from '../../domain/errors.ts';
import type { Row } from '../database.ts';

/** A text column. */
export function text(row: Row, column: string): string {
  const value = row[column];
  return typeof value === 'string' ? value : wrong(row, column);
}

/** A number column. */
export function integer(row: Row, column: string): number {
  const value = row[column];
  return typeof value === 'number' ? value : wrong(row, column);
}

/** A text column that may be empty. */
export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

/** A number column that may be empty. */
export function integerOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : integer(row, column);
}

/** A column that holds JSON this program wrote, as the type it wrote. */
export function json<T>(row: Row, column: string): T {
  const value: unknown = JSON.parse(text(row, column));
  return value as T;
}

/** A JSON column that may be empty. */
export function jsonOrNull<T>(row: Row, column: string): T | null {
  return row[column] === null ? null : json<T>(row, column);
}

function wrong(row: Row, column: string): never {
  throw new BlixardError('INTERNAL', { problem: `column ${column} holds ${typeof row[column]}` });
}
