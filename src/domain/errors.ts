/** The one catalogue of errors: code, whose fault, HTTP status, exit code, message, hint. */

export interface ErrorEntry {
  /** `caller`: the request is wrong. `system`: Blixard or its host is. `transient`: try again. */
  readonly fault: 'caller' | 'system' | 'transient';
  readonly status: number;
  /** Exit code of the CLI: 125 as `docker run` has it, 2 for a wrong call, 69/75/78 from sysexits.h. */
  readonly exitCode: number;
  /** `{name}` is replaced by the detail of that name. */
  readonly message: string;
  readonly hint: string;
}

export const errorCatalogue = {
  VALIDATION_FAILED: {
    fault: 'caller',
    status: 400,
    exitCode: 125,
    message: '{field}: {problem}',
    hint: 'Change the named field; GET /openapi.json describes every field.',
  },
  BODY_INVALID_JSON: {
    fault: 'caller',
    status: 400,
    exitCode: 125,
    message: 'The body is not valid JSON in UTF-8: {problem}',
    hint: 'Send one JSON object with content-type application/json.',
  },
  BODY_TOO_LARGE: {
    fault: 'caller',
    status: 413,
    exitCode: 125,
    message: 'The body is larger than {maxBytes} bytes.',
    hint: 'Send less, or put the data into the image or into a file the job fetches.',
  },
  SPEC_TOO_LARGE: {
    fault: 'caller',
    status: 413,
    exitCode: 125,
    message: 'The job spec is {bytes} bytes; at most {maxBytes} are allowed.',
    hint: 'Shorten command and env, or pass data by stdin.',
  },
  MEDIA_TYPE_UNSUPPORTED: {
    fault: 'caller',
    status: 415,
    exitCode: 125,
    message: 'Content type {contentType} is not accepted here; allowed: {allowed}.',
    hint: 'Set the content-type header.',
  },
  ROUTE_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'There is no {method} {path}.',
    hint: 'GET /openapi.json lists every route.',
  },
  JOB_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'There is no job {jobId}.',
    hint: 'blixard job ls shows the newest jobs.',
  },
  JOB_ID_AMBIGUOUS: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'More than one job id starts with {prefix}: {matches}.',
    hint: 'Give more characters of the id.',
  },
  JOB_ID_CONFLICT: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'Job {jobId} exists already with another spec.',
    hint: 'Leave the id out, or send the same spec again to get the same job.',
  },
  JOB_INVALID_TRANSITION: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'Job {jobId} is {from} and cannot become {to}; from {from} it can become: {allowed}.',
    hint: 'blixard job get shows the state of the job.',
  },
  ATTEMPT_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'Job {jobId} has no attempt {attempt}.',
    hint: 'GET /v1/jobs/{id}/attempts lists the attempts.',
  },
  IMAGE_UNKNOWN: {
    fault: 'caller',
    status: 422,
    exitCode: 125,
    message: 'image: no worker has the image {image}; there are: {known}.',
    hint: 'Name one of these images, or build it on a worker.',
  },
  WORKER_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'There is no worker {workerId}.',
    hint: 'GET /v1/workers lists the workers.',
  },
  FENCED: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'This was said by an older holder and changes nothing: {problem}',
    hint: 'The worker must stop this attempt; a newer one may be running.',
  },
  LOG_OFFSET_MISMATCH: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'The log of job {jobId} attempt {attempt} ends at {expectedOffset}, not at {offset}.',
    hint: 'Send again from the expected offset.',
  },
  OVERLOADED: {
    fault: 'transient',
    status: 429,
    exitCode: 75,
    message: 'Too much is waiting: {problem}',
    hint: 'Wait a moment and send it again.',
  },
  CONSTRAINT: {
    fault: 'system',
    status: 500,
    exitCode: 125,
    message: 'The store refused a write: {problem}',
    hint: 'This is a bug in Blixard; please report it with the log.',
  },
  STORE_UNAVAILABLE: {
    fault: 'transient',
    status: 503,
    exitCode: 69,
    message: 'The store cannot be reached: {problem}',
    hint: 'It is safe to send the same request again.',
  },
  STORE_LOCKED: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'Another process owns the store {file}: {owner}.',
    hint: 'Stop that process, or use another data directory (BLIXARD_DATA_DIR).',
  },
  STORE_TOO_NEW: {
    fault: 'system',
    status: 503,
    exitCode: 78,
    message: 'The store has schema version {found}; this program knows versions up to {known}.',
    hint: 'Use the newer program that wrote the store.',
  },
  STORE_MIGRATION_CHANGED: {
    fault: 'system',
    status: 503,
    exitCode: 78,
    message: 'Migration {migration} was applied with other contents than this program has.',
    hint: 'Use the program that wrote the store.',
  },
  SQLITE_TOO_OLD: {
    fault: 'system',
    status: 503,
    exitCode: 78,
    message: 'SQLite {found} can corrupt a WAL database; at least {needed} is needed.',
    hint: 'Update Node.js or the @photostructure/sqlite package.',
  },
  VM_MANAGER_UNAVAILABLE: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'VM manager is not available (SKIP_VM_MANAGER may be set): {reason}',
    hint: 'blixard doctor says what is missing and how to mend it.',
  },
  VM_BOOT_FAILED: {
    fault: 'system',
    status: 503,
    exitCode: 125,
    message: 'The microVM did not start: {problem}',
    hint: 'The console of the VM is kept in the attempt; blixard doctor checks the host.',
  },
  VM_CRASHED: {
    fault: 'system',
    status: 503,
    exitCode: 125,
    message: 'The microVM ended unexpectedly: {problem}',
    hint: 'The console of the VM is kept in the attempt.',
  },
  VM_LIMIT: {
    fault: 'transient',
    status: 503,
    exitCode: 75,
    message: 'The host has no room for another microVM: {problem}',
    hint: 'Wait for a running job to end, or raise the limit.',
  },
  GUEST_PROTOCOL: {
    fault: 'system',
    status: 502,
    exitCode: 125,
    message: 'The guest broke the protocol: {problem}',
    hint: 'Its VM has been ended.',
  },
  GUEST_REFUSED: {
    fault: 'caller',
    status: 422,
    exitCode: 126,
    message: 'The guest could not run the command: {problem}',
    hint: 'Check command, cwd and uid.',
  },
  IMAGE_MISSING: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'The image {image} is not on this host; there are: {known}.',
    hint: 'npm run setup builds the base image.',
  },
  IMAGE_BUILD_FAILED: {
    fault: 'system',
    status: 500,
    exitCode: 69,
    message: 'Building {what} failed: {problem}',
    hint: 'blixard doctor lists the programs an image build needs.',
  },
  EXECUTOR_UNAVAILABLE: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'This worker has no executor {executor}; it has: {known}.',
    hint: 'Start a worker that offers it.',
  },
  SERVER_UNREACHABLE: {
    fault: 'transient',
    status: 503,
    exitCode: 125,
    message: 'No Blixard server answers at {url}: {problem}',
    hint: 'Start one with: blixard up   (or name another with --server or BLIXARD_SERVER)',
  },
  SERVER_ANSWER_INVALID: {
    fault: 'system',
    status: 502,
    exitCode: 125,
    message: 'The answer of {url} is not one of a Blixard server: {problem}',
    hint: 'Check --server or BLIXARD_SERVER.',
  },
  SERVER_CLOSING: {
    fault: 'transient',
    status: 503,
    exitCode: 125,
    message: 'The server is shutting down.',
    hint: 'Send the same request again when it is back.',
  },
  CONFIG_INVALID: {
    fault: 'caller',
    status: 500,
    exitCode: 78,
    message: '{key} = {value} (from {source}): {problem}',
    hint: 'blixard config prints every key, its value and where it came from.',
  },
  USAGE: {
    fault: 'caller',
    status: 400,
    exitCode: 125,
    message: '{problem}',
    hint: 'blixard --help shows how to call it.',
  },
  INTERNAL: {
    fault: 'system',
    status: 500,
    exitCode: 125,
    message: 'An error inside Blixard: {problem}',
    hint: 'The log of the server has the details.',
  },
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

/** The text of any thrown value. */
export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function messageOf(code: ErrorCode, details: ErrorDetails): string {
  return errorCatalogue[code].message.replace(/\{(\w+)\}/g, (hole, name: string) =>
    details[name] === undefined ? hole : String(details[name]),
  );
}
