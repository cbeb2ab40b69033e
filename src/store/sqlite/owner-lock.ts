/** Lets one process own a store file, by a lock that the kernel drops when the process dies. */
import { rm, writeFile } from 'node:fs/promises';
import { BlixardError } from '../../domain/errors.ts';
import { readTextIfThere } from '../../platform/files.ts';
import { isBusy, unavailable } from './failure.ts';
import type { SqliteHandle, SqliteLibrary } from './library.ts';

/** Held until released, or until this process is gone. */
export interface OwnerLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of a store file. Node has no flock, but SQLite has: a transaction that is never ended keeps an
 * empty database `<file>.lock` locked. `<file>.owner` says who, for people. Throws STORE_LOCKED naming the owner,
 * or STORE_UNAVAILABLE when the folder cannot be written.
 */
export async function lockOwner(library: SqliteLibrary, file: string, nowMs: number): Promise<OwnerLock> {
  const ownerFile = `${file}.owner`;
  const handle = openLock(library, `${file}.lock`);
  if (handle === undefined) {
    throw new BlixardError('STORE_LOCKED', { file, owner: await ownerOf(ownerFile) });
  }
  const release = async (): Promise<void> => {
    await rm(ownerFile, { force: true });
    handle.close();
  };
  try {
    await writeFile(ownerFile, `process ${process.pid}, since ${new Date(nowMs).toISOString()}\n`);
    return { release };
  } catch (error) {
    await release();
    throw unavailable(error);
  }
}

/** The open lock, or undefined when another connection has it. */
function openLock(library: SqliteLibrary, lockFile: string): SqliteHandle | undefined {
  let handle: SqliteHandle | undefined;
  try {
    handle = new library(lockFile, { timeout: 0 });
    // The journal in memory and no write: the file stays empty, so no crash can leave it damaged.
    handle.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return handle;
  } catch (error) {
    handle?.close();
    if (isBusy(error)) return undefined;
    throw unavailable(error);
  }
}

async function ownerOf(ownerFile: string): Promise<string> {
  const text = await readTextIfThere(ownerFile);
  return text?.trim() || 'a process that is just starting';
}
