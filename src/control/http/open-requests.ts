/** Requests under way: each has a signal that aborts when its client has gone, or when the server closes. */
import type { ServerResponse } from 'node:http';
import { BlixardError } from '../../domain/errors.ts';
import { LazySignal } from '../../platform/lazy-signal.ts';

/** All requests under way on one application. */
export class OpenRequests {
  readonly #open = new Set<LazySignal>();
  #isClosing = false;

  /** Throws SERVER_CLOSING once the server closes. */
  begin(response: ServerResponse): LazySignal {
    this.assertOpen();
    const gone = new LazySignal();
    this.#open.add(gone);
    response.once('close', () => {
      this.#open.delete(gone);
      gone.abort(new DOMException('the client has gone', 'AbortError'));
    });
    return gone;
  }

  /** The same for a call without a response: who began it aborts it when its client has gone, and ends it. */
  beginCall(call: LazySignal): void {
    this.assertOpen();
    this.#open.add(call);
  }

  endCall(call: LazySignal): void {
    this.#open.delete(call);
  }

  assertOpen(): void {
    if (this.#isClosing) throw new BlixardError('SERVER_CLOSING');
  }

  /** Ends what waits; begins no more. */
  close(): void {
    this.#isClosing = true;
    for (const gone of this.#open) gone.abort(new BlixardError('SERVER_CLOSING'));
  }
}
