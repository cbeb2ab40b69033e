/** One state of a store file, read while its owner goes on, or from a file that nobody has open. */
import { access } from 'node:fs/promises';
import type { Row, Statement } from '../database.ts';
import { openReader } from './connection.ts';
import { refused, unavailable } from './failure.ts';
import { loadSqlite } from './library.ts';

/** Reads only; all queries see the same state until it is renewed. */
export interface StoreSnapshot {
  query(statement: Statement): Promise<readonly Row[]>;
  /** Sees what has been committed meanwhile. */
  renew(): void;
  close(): void;
}

/**
 * The newest state of the file. The owner's WAL grows until it is closed, because this state is kept. Throws
 * STORE_UNAVAILABLE when there is no such file or it cannot be read.
 */
export async function openSnapshot(file: string): Promise<StoreSnapshot> {
  const library = await loadSqlite();
  try {
    await access(file);
    const reader = openReader(library, file);
    // What a large sort needs goes to disk.
    reader.exec('PRAGMA temp_store = FILE; BEGIN');
    return {
      query: async (statement) => {
        try {
          return reader.rows(statement);
        } catch (error) {
          throw refused(error, 0, statement.sql);
        }
      },
      renew: () => reader.exec('COMMIT; BEGIN'),
      close: () => {
        // The library closes the file later; until then the state must not be kept.
        reader.exec('COMMIT');
        reader.close();
      },
    };
  } catch (error) {
    throw unavailable(error);
  }
}
