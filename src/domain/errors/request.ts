/** Errors of a request as such, before it is understood; and those nobody foresaw. */
import type { ErrorEntry } from './entry.ts';

export const requestErrors = {
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
  METHOD_NOT_ALLOWED: {
    fault: 'caller',
    status: 405,
    exitCode: 125,
    message: '{path} has no {method}; allowed: {allowed}.',
    hint: 'GET /openapi.json lists every route.',
  },
  CROSS_SITE_REFUSED: {
    fault: 'caller',
    status: 403,
    exitCode: 125,
    message: 'Without a token only this machine itself may ask: {problem}',
    hint: 'Ask http://127.0.0.1 or http://localhost, not from the page of another site.',
  },
  HTTP_INVALID: {
    fault: 'caller',
    status: 400,
    exitCode: 125,
    message: 'This is not a valid HTTP request: {problem}',
    hint: 'Use an HTTP/1.1 client.',
  },
  REQUEST_TIMEOUT: {
    fault: 'caller',
    status: 408,
    exitCode: 125,
    message: 'The request did not arrive whole within {timeoutMs} ms.',
    hint: 'Send it again, in one go.',
  },
  OVERLOADED: {
    fault: 'transient',
    status: 429,
    exitCode: 75,
    message: 'Too much is waiting: {problem}',
    hint: 'Wait a moment and send it again.',
  },
  INTERNAL: {
    fault: 'system',
    status: 500,
    exitCode: 125,
    message: 'An error inside Blixard: {problem}',
    hint: 'The log of the server has the details.',
  },
} as const satisfies Record<string, ErrorEntry>;
