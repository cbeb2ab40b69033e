/** What a failing disk is called outside the log store. */
import { BlixardError, problemOf } from '../../domain/errors.ts';

/** No space left, or none left to this user. */
const fullCodes: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/**
 * An error of the operating system as STORE_FULL or, say for an input/output error, STORE_UNAVAILABLE; any other as
 * it is.
 */
export function diskError(error: unknown): unknown {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).syscall === undefined) return error;
  const told = fullCodes.includes((error as NodeJS.ErrnoException).code) ? 'STORE_FULL' : 'STORE_UNAVAILABLE';
  return new BlixardError(told, { problem: `the log: ${problemOf(error)}` }, { cause: error });
}
