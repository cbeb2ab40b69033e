/** Where groups of batches are committed. */
import type { Batch, Outcome } from './transactions.ts';

/** In this turn, or beside this thread; one group at a time. Both throw STORE_FULL or STORE_UNAVAILABLE. */
export interface Committer {
  commit(group: readonly Batch[]): readonly Outcome[] | Promise<readonly Outcome[]>;
  /** Commits are made beside this thread: it should begin with some that wait rather than gather more. */
  readonly isBeside?: boolean;
  /** Closes the file. */
  close(): void | Promise<void>;
}
