/** Puts what was committed on disk: flushes the write-ahead log, in this thread or beside it. */
import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';

export interface WalFlush {
  /** Everything written before is on disk when it returns; throws when that failed. */
  now(): void;
  /** The same beside this thread; rejects when that failed. */
  later(): Promise<void>;
  close(): void;
}

/** Of a store in memory, which has nothing to flush. */
export const noFlush: WalFlush = {
  now: () => undefined,
  later: () => Promise.resolve(),
  close: () => undefined,
};

/**
 * Of the store in `file`, which a connection has open in WAL mode: until it is closed, the log is the same file.
 * SQLite holds no locks on it that a second descriptor could drop.
 */
export function walFlushOf(file: string): WalFlush {
  const log = openSync(`${file}-wal`, 'a', 0o600);
  return {
    now: () => fdatasyncSync(log),
    later: () =>
      new Promise((resolve, reject) => {
        fdatasync(log, (error) => (error === null ? resolve() : reject(error)));
      }),
    close: () => closeSync(log),
  };
}
