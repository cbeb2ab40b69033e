/** Chooses the SQLite library: the one built into Node, or the package with the same API. */
import { BlixardError } from '../../domain/errors.ts';

/** What the driver needs of a prepared statement. */
export interface PreparedStatement {
  run(...args: readonly BoundValue[]): { changes: number | bigint };
  all(...args: readonly BoundValue[]): unknown[];
  /** Rows as arrays are read in half the time. The first versions of `node:sqlite` lack both of these. */
  setReturnArrays?(enabled: boolean): void;
  columns?(): readonly { readonly name: string }[];
}

/** Integers are bound as bigint, because both libraries bind a larger number as REAL. */
export type BoundValue = null | string | number | bigint;

/** What the driver needs of one open database file. */
export interface SqliteHandle {
  exec(sql: string): void;
  prepare(sql: string): PreparedStatement;
  close(): void;
}

interface SqliteOpenOptions {
  readonly readOnly?: boolean;
  /** How long a statement waits for another process's lock, ms. */
  readonly timeout?: number;
  readonly enableForeignKeyConstraints?: boolean;
}

/** The constructor both libraries export. */
export type SqliteLibrary = new (file: string, options?: SqliteOpenOptions) => SqliteHandle;

/** Older ones can corrupt a WAL database that two connections use (sqlite.org/wal.html, "the WAL-reset bug"). */
const oldestSafe = '3.51.3';

/** Node 22 has `node:sqlite`, too, but a statement prepared before a change of schema gives no new columns there. */
const firstNodeWithSqlite = '24.0.0';

/** Loads the library for this Node. Throws SQLITE_TOO_OLD. */
export async function loadSqlite(): Promise<SqliteLibrary> {
  const library = isAtLeast(process.versions.node, firstNodeWithSqlite)
    ? await builtInLibrary()
    : (await import('@photostructure/sqlite')).DatabaseSync;
  assertSafeVersion(versionOf(library));
  return library;
}

/** Throws SQLITE_TOO_OLD when this SQLite version can corrupt a WAL database. */
export function assertSafeVersion(version: string): void {
  if (isAtLeast(version, oldestSafe)) return;
  throw new BlixardError('SQLITE_TOO_OLD', { found: version, needed: oldestSafe });
}

async function builtInLibrary(): Promise<SqliteLibrary> {
  // A name in a variable, because the types of Node 20 do not know the module.
  const name = 'node:sqlite';
  const builtIn: { DatabaseSync: SqliteLibrary } = await import(name);
  return builtIn.DatabaseSync;
}

function versionOf(library: SqliteLibrary): string {
  const handle = new library(':memory:');
  try {
    const [row] = handle.prepare('SELECT sqlite_version() AS version').all() as { version: string }[];
    return row?.version ?? 'unknown';
  } finally {
    handle.close();
  }
}

function isAtLeast(version: string, wanted: string): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, least] of wanted.split('.').map(Number).entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}
