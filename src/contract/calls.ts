/**
 * Calls of the route table over one persistent connection: a WebSocket whose text messages are lists of frames. A call
 * is answered by a frame with its id, in any order; what answers it is what the same request would get over HTTP.
 */
import type { RouteName } from './routes.ts';

/** Where the connection is made, by an upgrade of an HTTP request. */
export const callsPath = '/v1/calls';

/** Asks: the route by its name in the table, and what it takes. Ids are whole numbers of the caller's choice. */
export interface CallFrame {
  readonly id: number;
  readonly route: RouteName;
  readonly params?: object;
  readonly query?: object;
  readonly headers?: object;
  readonly body?: unknown;
}

/** The caller does not wait for this call any more. */
export interface CancelFrame {
  readonly cancel: number;
}

/** The answer: the status over HTTP, and the JSON value of the body: a reply of the route, or a problem. */
export interface AnswerFrame {
  readonly id: number;
  readonly status: number;
  readonly body: unknown;
}
