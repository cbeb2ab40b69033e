/** One connection to a SQLite database: its settings, its prepared statements, its rows as plain objects. */
import { mib } from '../../domain/amounts.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { BoundedCache } from '../bounded-cache.ts';
import type { Row, SqlValue, Statement } from '../database.ts';
import type { BoundValue, PreparedStatement, SqliteHandle, SqliteLibrary } from './library.ts';
import { RowReader } from './row-reader.ts';

/** How long a statement waits while another program, such as a backup, holds the file. */
const busyTimeoutMs = 5_000;

/**
 * Page cache, KiB. The writer's: at most commits SQLite walks over all pages it has cached (100 µs for 64 MiB). A
 * reader's: some 600 jobs that are asked for again and again; among a million such a get costs 1.2 times one among a
 * thousand, with 2 MiB 1.6 times. More would be for nothing where jobs are written, too: each commit makes it forget
 * its pages. What neither has is in the cache of the system.
 */
const cacheKiB = { writer: 16 * 1_024, reader: 8 * 1_024 };

/** The log grows while somebody keeps an older state, such as a backup; after that it is cut to this, bytes. */
const logKept = 16 * mib;

/** NORMAL leaves out nothing but the flush of the log at a COMMIT, which `Durability` does before it answers. */
const settings = (of: keyof typeof cacheKiB): string => `
  PRAGMA synchronous = NORMAL;
  PRAGMA journal_size_limit = ${logKept};
  PRAGMA temp_store = MEMORY;
  PRAGMA cache_size = -${cacheKiB[of]};
`;

interface Prepared {
  readonly statement: PreparedStatement;
  readonly reader: RowReader;
}

export class Connection {
  readonly #handle: SqliteHandle;
  readonly #prepared: BoundedCache<Prepared>;

  constructor(handle: SqliteHandle) {
    this.#handle = handle;
    this.#prepared = new BoundedCache({
      max: limits.preparedStatements,
      make: (sql) => {
        const statement = handle.prepare(sql);
        return { statement, reader: new RowReader(statement) };
      },
    });
  }

  /** Runs SQL of the driver's own, such as BEGIN or a PRAGMA. */
  exec(sql: string): void {
    this.#handle.exec(sql);
  }

  /** Runs a statement that gives no rows; returns how many rows it wrote. */
  run(statement: Statement): number {
    return Number(this.#prepared.get(statement.sql).statement.run(...boundArgs(statement)).changes);
  }

  /** Runs a statement to its end and gives its rows. */
  rows(statement: Statement): Row[] {
    return this.#prepared.get(statement.sql).reader.all(boundArgs(statement));
  }

  /** What SQLite holds is freed when the statements are collected, which must not wait for whoever has this object. */
  close(): void {
    this.#handle.close();
    this.#prepared.clear();
  }
}

/** Opens the connection that writes; puts a file into WAL mode. Throws STORE_UNAVAILABLE where that is refused. */
export function openWriter(library: SqliteLibrary, file: string): Connection {
  const writer = new Connection(
    new library(file, { timeout: busyTimeoutMs, enableForeignKeyConstraints: false }),
  );
  try {
    useWal(writer, file);
    writer.exec(settings('writer'));
    return writer;
  } catch (error) {
    writer.close();
    throw error;
  }
}

/** Opens a connection that only reads; it never waits for the one that writes. */
export function openReader(library: SqliteLibrary, file: string): Connection {
  const reader = new Connection(
    new library(file, { readOnly: true, timeout: busyTimeoutMs, enableForeignKeyConstraints: false }),
  );
  reader.exec(settings('reader'));
  return reader;
}

function useWal(writer: Connection, file: string): void {
  const mode = writer.rows({ sql: 'PRAGMA journal_mode = WAL' })[0]?.['journal_mode'];
  if (mode === 'wal' || file === ':memory:') return;
  throw new BlixardError('STORE_UNAVAILABLE', { problem: `${file} cannot use WAL, only ${mode}` });
}

function boundArgs(statement: Statement): BoundValue[] {
  return (statement.args ?? []).map(boundValue);
}

function boundValue(value: SqlValue): BoundValue {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
}
