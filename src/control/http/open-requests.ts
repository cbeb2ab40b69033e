/** Requests under way: each has a signal that aborts when its client has gone, or when the server closes. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { LazySignal } from '../../platform/lazy-signal.ts';

/** All requests under way on one application. */
export class OpenRequests {
  readonly #open = new Set<LazySignal>();
  /** The responses of each connection that are not over. */
  readonly #perSocket = new WeakMap<Socket, Set<ServerResponse>>();
  #isClosing = false;

  /**
   * Throws SERVER_CLOSING once the server closes, and OVERLOADED for one more request on a connection than may be
   * under way there: answers wait in memory for those before them.
   */
  begin(response: ServerResponse): LazySignal {
    this.assertOpen();
    const ofSocket = this.#responsesOf(response.req.socket);
    if (ofSocket.size >= limits.requestsPerConnection) {
      const problem = `${limits.requestsPerConnection} requests are under way on this connection`;
      throw new BlixardError('OVERLOADED', { problem });
    }
    const gone = new LazySignal();
    ofSocket.add(response);
    this.#open.add(gone);
    response.once('close', () => {
      ofSocket.delete(response);
      this.#open.delete(gone);
      gone.abort(new DOMException('the client has gone', 'AbortError'));
    });
    return gone;
  }

  /** Node closes only the response that has the socket: those whose turn had not come are closed here. */
  #responsesOf(socket: Socket): Set<ServerResponse> {
    const known = this.#perSocket.get(socket);
    if (known !== undefined) return known;
    const responses = new Set<ServerResponse>();
    this.#perSocket.set(socket, responses);
    const closeRest = (): void => {
      for (const response of responses) {
        response.destroy();
        response.emit('close');
      }
    };
    socket.once('close', () => setImmediate(closeRest));
    return responses;
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
