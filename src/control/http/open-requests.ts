/** Requests under way: each has a signal that aborts when its client has gone, or when the server closes. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { LazySignal } from '../../platform/lazy-signal.ts';

/** All requests under way on one application. */
export class OpenRequests {
  readonly #open = new Set<LazySignal>();
  /** How many of them came over each connection. */
  readonly #perSocket = new WeakMap<Socket, number>();
  #isClosing = false;

  /**
   * Throws SERVER_CLOSING once the server closes, and OVERLOADED for one more request on a connection than may be
   * under way there: answers wait in memory for those before them.
   */
  begin(response: ServerResponse): LazySignal {
    this.assertOpen();
    this.#count(response);
    const gone = new LazySignal();
    this.#open.add(gone);
    response.once('close', () => {
      this.#open.delete(gone);
      gone.abort(new DOMException('the client has gone', 'AbortError'));
    });
    return gone;
  }

  #count(response: ServerResponse): void {
    const { socket } = response.req;
    const underWay = this.#perSocket.get(socket) ?? 0;
    if (underWay >= limits.requestsPerConnection) {
      const problem = `${limits.requestsPerConnection} requests are under way on this connection`;
      throw new BlixardError('OVERLOADED', { problem });
    }
    this.#perSocket.set(socket, underWay + 1);
    response.once('close', () => this.#perSocket.set(socket, (this.#perSocket.get(socket) ?? 1) - 1));
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
