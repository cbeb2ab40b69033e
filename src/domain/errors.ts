/** The one catalogue of errors, by topic in `errors/`, and the one class that carries them. */
import { clientErrors } from './errors/client.ts';
import type { ErrorEntry } from './errors/entry.ts';
import { jobErrors } from './errors/job.ts';
import { requestErrors } from './errors/request.ts';
import { resultErrors } from './errors/results.ts';
import { scheduleErrors } from './errors/schedule.ts';
import { storeErrors } from './errors/store.ts';
import { togetherErrors } from './errors/together.ts';
import { vmErrors } from './errors/vm.ts';
import { webhookErrors } from './errors/webhook.ts';

export const errorCatalogue = {
  ...requestErrors,
  ...jobErrors,
  ...resultErrors,
  ...scheduleErrors,
  ...storeErrors,
  ...togetherErrors,
  ...vmErrors,
  ...webhookErrors,
  ...clientErrors,
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;
export const errorCodes = Object.keys(errorCatalogue) as ErrorCode[];
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

/** The only error class that crosses a layer. `details` fill the message and go out in the problem body. */
export class BlixardError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}, options: { cause?: unknown } = {}) {
    super(messageOf(code, details), options);
    this.name = 'BlixardError';
    this.code = code;
    this.details = details;
  }

  get entry(): ErrorEntry {
    return errorCatalogue[this.code];
  }
}

/** True for a BlixardError, of this code when one is given. */
export function isBlixardError(error: unknown, code?: ErrorCode): error is BlixardError {
  return error instanceof BlixardError && (code === undefined || error.code === code);
}

/** Any thrown value as a BlixardError: itself, or INTERNAL with the value as cause. */
export function asBlixardError(error: unknown): BlixardError {
  if (error instanceof BlixardError) return error;
  return new BlixardError('INTERNAL', { problem: problemOf(error) }, { cause: error });
}

/** The text of any thrown value, also of one that has none, such as an object without a prototype. */
export function problemOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return 'something was thrown that has no text';
  }
}

function messageOf(code: ErrorCode, details: ErrorDetails): string {
  return errorCatalogue[code].message.replace(/\{(\w+)\}/g, (hole, name: string) =>
    details[name] === undefined ? hole : String(details[name]),
  );
}
