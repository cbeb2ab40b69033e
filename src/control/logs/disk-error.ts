/** What a failing disk is called outside the log store. */
import { BlixardError, problemOf } from '../../domain/errors.ts';

/**
 * An error of the operating system as STORE_UNAVAILABLE (full disk, input/output error); any other as it
 * is.
 */
export function diskError(error: unknown): unknown {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).syscall === undefined) return error;
  return new BlixardError('STORE_UNAVAILABLE', { problem: `the log: ${problemOf(error)}` }, { cause: error });
}
