/** The Database port on an embedded SQLite file that this process owns, or on one in memory. */
import { existsSync } from 'node:fs';
import { mkdir, open, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BlixardError, isBlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { StatementCheck } from '../check.ts';
import type { Commits } from '../commits.ts';
import type { Database, Result, Row, Statement } from '../database.ts';
import { CommitThreadHost } from './commit-thread-host.ts';
import { type Connection, openReader, openWriter } from './connection.ts';
import { Durability } from './durability.ts';
import { isHostFailure, refused, unavailable } from './failure.ts';
import { type CommitStats, GroupCommit } from './group-commit.ts';
import type { Load } from './heavy-load.ts';
import { loadSqlite } from './library.ts';
import { lockOwner, type OwnerLock } from './owner-lock.ts';
import { Transactions } from './transactions.ts';
import { noFlush, type WalFlush, walFlushOf } from './wal-flush.ts';

/** What the database has done since it was opened. */
export interface SqliteStats extends CommitStats {
  readonly queries: number;
}

/** Of the thread that commits under load. */
const threadProgram = new URL('./commit-thread.js', import.meta.url);

/** What a store file is opened with. */
export interface OpenDeps {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  /** For tests: the thread that commits under load, and what is load. */
  readonly thread?: { readonly program: URL; readonly load?: Load };
}

/**
 * Opens a store file, made with its folder when it is not there, or `:memory:`. Throws STORE_LOCKED when another
 * process owns it, SQLITE_TOO_OLD, or STORE_UNAVAILABLE when the file cannot be used.
 */
export async function openSqlite(deps: OpenDeps): Promise<SqliteDatabase> {
  const library = await loadSqlite();
  if (deps.file === ':memory:') {
    const only = openWriter(library, deps.file);
    return new SqliteDatabase({ clock: deps.clock, log: deps.log, writer: only, reader: only });
  }
  const file = await realPathOf(deps.file);
  const lock = await lockOwner(library, file, deps.clock.nowMs());
  try {
    await makePrivateFile(file);
    const writer = openWriter(library, file);
    const reader = openReader(library, file);
    const thread = threadFor(deps, file);
    return new SqliteDatabase({ ...deps, writer, reader, flush: walFlushOf(file), lock, thread });
  } catch (error) {
    await lock.release();
    throw isBlixardError(error) ? error : unavailable(error);
  }
}

export class SqliteDatabase implements Database, Commits {
  readonly #writer: Connection;
  readonly #reader: Connection;
  readonly #lock: OwnerLock | undefined;
  readonly #commits: GroupCommit;
  readonly #durability: Durability;
  readonly #log: Log;
  readonly #check = new StatementCheck();
  #queries = 0;
  #closed: Promise<void> | undefined;

  /** `reader` may be the writer itself: a transaction never spans a turn, so it reads committed rows only. */
  constructor(deps: {
    writer: Connection;
    reader: Connection;
    clock: Clock;
    log: Log;
    flush?: WalFlush;
    lock?: OwnerLock;
    thread?: CommitThreadHost | undefined;
  }) {
    this.#writer = deps.writer;
    this.#reader = deps.reader;
    this.#lock = deps.lock;
    this.#log = deps.log;
    this.#durability = new Durability({ ...deps, flush: deps.flush ?? noFlush });
    const transactions = new Transactions(deps);
    this.#commits = new GroupCommit({ ...deps, transactions, durability: this.#durability });
  }

  stats(): SqliteStats {
    return { ...this.#commits.stats(), queries: this.#queries };
  }

  onCommit(fn: () => void): () => void {
    return this.#commits.listeners.onCommit(fn);
  }

  async batch(statements: readonly Statement[]): Promise<readonly Result[]> {
    this.#assertOpen();
    if (statements.length > limits.batchStatements)
      throw new BlixardError('OVERLOADED', {
        problem: `${statements.length} statements in one batch, at most ${limits.batchStatements} are allowed`,
      });
    const checked = statements.map((statement) => ({
      statement,
      facts: this.#check.inspectWrite(statement),
    }));
    return checked.length === 0 ? [] : await this.#commits.add(checked);
  }

  /** Every level is the same here: each committed write is seen, and none that is not on disk. */
  async query(statement: Statement): Promise<readonly Row[]> {
    this.#assertOpen();
    this.#check.inspectRead(statement);
    this.#queries++;
    const rows = this.#read(statement);
    // What was read may be committed and not on disk yet.
    const settled = this.#commits.settled();
    if (settled !== undefined) await settled;
    if (this.#durability.failure !== undefined) throw this.#durability.failure;
    return rows;
  }

  #read(statement: Statement): readonly Row[] {
    try {
      return this.#reader.rows(statement);
    } catch (error) {
      throw isHostFailure(error) ? unavailable(error) : refused(error, 0, statement.sql);
    }
  }

  /** Commits what waits, then closes the file; a second call waits for the first. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.#commits.drain();
      this.#moveWalIntoFile();
      if (this.#reader !== this.#writer) this.#reader.close();
      this.#writer.close();
      this.#durability.close();
    } finally {
      await this.#lock?.release();
    }
  }

  /** Closing alone does not: @photostructure/sqlite keeps the file open until its statements are collected. */
  #moveWalIntoFile(): void {
    try {
      this.#writer.run({ sql: 'PRAGMA wal_checkpoint(TRUNCATE)' });
    } catch (error) {
      this.#log.warn({ err: error }, 'the WAL stays beside the store; the next start reads it');
    }
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new BlixardError('STORE_UNAVAILABLE', { problem: 'it is closed' });
  }
}

/** None where this runs from its sources. */
function threadFor(deps: OpenDeps, file: string): CommitThreadHost | undefined {
  const { program, ...given } = { program: threadProgram, ...deps.thread };
  return existsSync(program) ? new CommitThreadHost({ ...deps, ...given, program, file }) : undefined;
}

/** Two names of one file must lead to one lock. */
async function realPathOf(file: string): Promise<string> {
  try {
    await mkdir(dirname(file), { recursive: true });
    return await realpath(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return join(await realpath(dirname(file)), basename(file));
    throw unavailable(error);
  }
}

/** Job specs may hold secrets, so only the owner may read; SQLite gives its WAL the mode of the file. */
async function makePrivateFile(file: string): Promise<void> {
  const made = await open(file, 'a', 0o600);
  await made.close();
}
