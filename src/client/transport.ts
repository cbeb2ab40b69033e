/** The Transport port: how the SDK reaches a control node: over a socket, or straight into the app. */
import type { Readable } from 'node:stream';
import type { RouteName } from '../contract/routes.ts';
import type { LazySignal } from '../platform/lazy-signal.ts';

/** What a call of a route takes, as the code that only passes it on sees it. */
export interface CallParts {
  readonly params?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: object;
}

/** A call of the route table, not yet in the words of HTTP. */
export interface WireCall extends CallParts {
  readonly route: RouteName;
  /** Aborts when nobody waits for the answer any more. */
  readonly gone?: LazySignal;
}

/** Its answer: the status it would have over HTTP, and the JSON value of its body. */
export interface WireReply {
  readonly status: number;
  readonly body: unknown;
}

export interface WireRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface WireResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The body; must be read or destroyed. */
  readonly body: Readable;
}

export interface Transport {
  /** What a user would call the other end, for error messages. */
  readonly url: string;
  /**
   * Makes a call whose body and reply are JSON, where there is a shorter way than an HTTP request. Rejects like `send`.
   * A reply is the caller's to keep.
   */
  call?(call: WireCall): Promise<WireReply>;
  /** Rejects with SERVER_UNREACHABLE when no answer came; an AbortError when `signal` aborted. */
  send(request: WireRequest): Promise<WireResponse>;
  close(): Promise<void>;
}
