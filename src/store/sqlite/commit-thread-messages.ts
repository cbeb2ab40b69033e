/** What the thread that commits and the one that answers say to each other. */
import { BlixardError, type ErrorCode, type ErrorDetails } from '../../domain/errors.ts';
import type { Result } from '../database.ts';
import type { Batch, Outcome } from './transactions.ts';

/** What the thread is made with. */
export interface ThreadData {
  readonly file: string;
  /** One Int32, not 0 from just before a COMMIT until it is on disk. */
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

/** From the thread. `committed` is on disk; `failed` was undone; after `unflushed` nobody knows. */
export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'committed'; readonly outcomes: readonly SentOutcome[]; readonly commitMs: number }
  | { readonly kind: 'failed' | 'unflushed'; readonly error: SentError };

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
