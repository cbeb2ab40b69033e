/**
 * The Transport over one persistent connection, on which calls go out and answers come back in any order; what streams,
 * and what a server without such connections is asked, goes over plain HTTP.
 */
import { defaults } from '../domain/defaults.ts';
import { replyOver } from './call-over-http.ts';
import { CallSocket, SocketRefused } from './call-socket.ts';
import { httpTransport } from './http-transport.ts';
import type { Transport, WireCall, WireReply } from './transport.ts';

/**
 * Reaches a control node at an address such as `http://127.0.0.1:3020`. Throws USAGE for what is no such address. The
 * connection is made with the first call and anew with the first call after it was lost; while no call is under way it
 * keeps no process alive.
 */
export function socketTransport(options: { readonly url: string }): Transport {
  return new SocketTransport(httpTransport(options));
}

class SocketTransport implements Transport {
  readonly url: string;
  readonly #http: Transport;
  #socket: CallSocket | undefined;
  #refusedAtMs = Number.NEGATIVE_INFINITY;

  constructor(http: Transport) {
    this.url = http.url;
    this.#http = http;
  }

  send: Transport['send'] = (request) => this.#http.send(request);

  async call(call: WireCall): Promise<WireReply> {
    call.gone?.throwIfAborted();
    if (performance.now() - this.#refusedAtMs < defaults.callsRefusedMs) return replyOver(this.#http, call);
    if (this.#socket === undefined || this.#socket.isOver) this.#socket = new CallSocket(this.url);
    const socket = this.#socket;
    try {
      const answer = socket.call(call);
      // One that is too long for a message is refused over HTTP, in the words of the server.
      return answer === undefined ? await replyOver(this.#http, call) : await answer;
    } catch (error) {
      if (!(error instanceof SocketRefused)) throw error;
      if (error.isSure) this.#refusedAtMs = performance.now();
      const reply = await replyOver(this.#http, call);
      this.#refusedAtMs = performance.now();
      return reply;
    }
  }

  async close(): Promise<void> {
    this.#socket?.close();
    await this.#http.close();
  }
}
