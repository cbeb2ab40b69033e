/** What the thread that commits and the one that answers say to each other. */
import { BlixardError, type ErrorCode, type ErrorDetails } from '../../domain/errors.ts';
import type { Result } from '../database.ts';
import type { Batch, Outcome } from './transactions.ts';

/** What the thread is made with. */
export interface ThreadData {
  readonly file: string;
  /** One Int32: how many groups are committed, or just about to be, and not told to be on disk. */
  readonly unsettled: SharedArrayBuffer;
}

/** To the thread: a group to commit, or the word to end. */
export type ToThread = { readonly group: readonly Batch[] } | 'end';

/** An error without its class, which no message carries. */
export interface SentError {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly cause: string;
}

/** Of one batch. */
export type SentOutcome = readonly Result[] | SentError;

/** From the thread. `committed` is not flushed yet; `failed` was undone. */
export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'committed'; readonly outcomes: readonly SentOutcome[]; readonly commitMs: number }
  | { readonly kind: 'failed'; readonly error: SentError };

export function sentError(error: BlixardError): SentError {
  return { code: error.code, details: error.details, cause: String(error.cause) };
}

export function errorOf({ code, details, cause }: SentError): BlixardError {
  return new BlixardError(code, details, { cause });
}

export function sentOutcome(outcome: Outcome): SentOutcome {
  return outcome instanceof BlixardError ? sentError(outcome) : outcome;
}

export function outcomeOf(sent: SentOutcome): Outcome {
  return 'code' in sent ? errorOf(sent) : sent;
}
