/** The Transport port: how the SDK reaches a control node: over a socket, or straight into the app. */
import type { Readable } from 'node:stream';

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
  /** Rejects with SERVER_UNREACHABLE when no answer came; an AbortError when `signal` aborted. */
  send(request: WireRequest): Promise<WireResponse>;
  close(): Promise<void>;
}
