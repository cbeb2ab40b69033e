/** One connection for calls, from its handshake to its end; whoever has it makes a new one when it is over. */
import type { Socket } from 'node:net';
import { type AnswerFrame, callsPath } from '../contract/calls.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { BusyWait } from '../platform/busy-wait.ts';
import { invalid, parse, unreachable } from './answer.ts';
import { neverMade } from './repeatable.ts';
import type { WireCall, WireReply } from './transport.ts';
import { WebSocket } from './ws.ts';

/** The handshake was answered otherwise, or dropped: the server, or a proxy on the way, wants no such connections. */
export class SocketRefused extends Error {
  /** False for what may also come of a server that has just gone. */
  readonly isSure: boolean;

  constructor(problem: string, isSure: boolean) {
    super(problem);
    this.isSure = isSure;
  }
}

interface Pending {
  resolve(reply: WireReply): void;
  reject(error: unknown): void;
  readonly unhook: (() => void) | undefined;
}

interface Outgoing {
  readonly id: number;
  readonly text: string;
}

/** So many calls of one turn go out before the rest of them is made: the server need not wait for the last. */
const callsAtOnce = 16;

/**
 * A mask of zeros leaves the bytes as they are, which saves a pass over them at either end. A random one keeps scripts
 * of strangers in a browser from writing a request of theirs onto the wire; here all is JSON, in which no line can end.
 */
function unmasked(mask: Buffer): void {
  // Four stores are a tenth of a fill.
  mask[0] = mask[1] = mask[2] = mask[3] = 0;
}

/** A text beside the bytes of its head would have them written in a slower way. */
const asText = { binary: false };

const silenceMaxMs = 3 * defaults.callsPingMs;

export class CallSocket {
  readonly #url: string;
  readonly #webSocket: WebSocket;
  /** Bounded by `limits.callsWaiting`. */
  readonly #pending = new Map<number, Pending>();
  /** What the server has not answered yet, also where nobody waits for it any more. */
  readonly #unanswered = new Set<number>();
  #outbox: Outgoing[] = [];
  #willFlush = false;
  #nextId = 1;
  #tcp: Socket | undefined;
  #heardAtMs = performance.now();
  /** For the answer to a call that is alone. */
  readonly #wait = new BusyWait(defaults.answerBusyMs);
  #wasOpen = false;
  #isOver = false;

  constructor(url: string) {
    this.#url = url;
    this.#webSocket = new WebSocket(`${url.replace(/^http/, 'ws')}${callsPath}`, {
      perMessageDeflate: false,
      maxPayload: limits.replyBytes,
      handshakeTimeout: defaults.connectTimeoutMs,
      generateMask: unmasked,
    });
    this.#listen(this.#webSocket);
  }

  /** No more calls can be made. */
  get isOver(): boolean {
    if (!this.#isOver && performance.now() - this.#heardAtMs > silenceMaxMs) {
      this.#end(unreachable(this.#url, new Error('the connection was silent for too long')));
    }
    return this.#isOver;
  }

  /**
   * Makes a call; undefined when it is too long for one message. Rejects with SERVER_UNREACHABLE when the connection
   * is lost before the answer, SocketRefused when there is none, OVERLOADED, and an AbortError.
   */
  call({ gone, route, params, query, headers, body }: WireCall): Promise<WireReply> | undefined {
    const id = this.#nextId++;
    const text = JSON.stringify({ id, route, params, query, headers, body });
    if (text.length + 2 > limits.bodyBytes || Buffer.byteLength(text) + 2 > limits.bodyBytes)
      return undefined;
    return new Promise((resolve, reject) => {
      if (this.#pending.size >= limits.callsWaiting) {
        reject(
          new BlixardError('OVERLOADED', { problem: `${limits.callsWaiting} calls wait for the server` }),
        );
        return;
      }
      const unhook = gone?.onAbort(() => this.#cancel(id, gone.signal.reason));
      if (this.#pending.size === 0) this.#tcp?.ref();
      this.#pending.set(id, { resolve, reject, unhook });
      this.#outbox.push({ id, text });
      if (this.#outbox.length >= callsAtOnce) this.#flush();
      else this.#flushSoon();
    });
  }

  /** Ends it; calls under way reject. */
  close(): void {
    this.#end(unreachable(this.#url, new Error('the client was closed')));
  }

  #listen(webSocket: WebSocket): void {
    webSocket.on('upgrade', ({ socket }) => {
      this.#tcp = socket;
      // All who asked for it may have gone meanwhile.
      if (this.#pending.size === 0) socket.unref();
    });
    webSocket.on('open', () => {
      this.#wasOpen = true;
      this.#flush();
    });
    webSocket.on('ping', () => this.#hear());
    webSocket.on('message', (data: Buffer) => this.#read(data));
    webSocket.on('unexpected-response', (request, response) => {
      request.destroy();
      this.#end(new SocketRefused(`status ${response.statusCode}`, true));
    });
    webSocket.on('error', (error: NodeJS.ErrnoException) => {
      const { code, message } = error;
      const isRefused = !this.#wasOpen && !(code !== undefined && neverMade.has(code));
      this.#end(isRefused ? new SocketRefused(message, code === undefined) : unreachable(this.#url, error));
    });
    webSocket.on('close', (code, reason) => {
      const why = reason.length === 0 ? '' : ` (${reason.toString()})`;
      this.#end(unreachable(this.#url, new Error(`the connection was closed: ${code}${why}`)));
    });
  }

  /** Calls of one turn of the event loop go out together. */
  #flushSoon(): void {
    if (this.#willFlush) return;
    this.#willFlush = true;
    process.nextTick(() => {
      this.#willFlush = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    while (this.#outbox.length > 0 && this.#unanswered.size < limits.callsPerConnection) {
      let bytes = 2;
      let count = 0;
      for (const { id, text } of this.#outbox) {
        // A character is at most three bytes; only a message of nearly the limit need be measured.
        bytes += text.length * 3 + 1;
        if (count > 0 && (bytes > limits.bodyBytes || this.#unanswered.size >= limits.callsPerConnection))
          break;
        count++;
        this.#unanswered.add(id);
      }
      const frames = this.#outbox.slice(0, count);
      this.#outbox = this.#outbox.slice(count);
      this.#webSocket.send(Buffer.from(`[${frames.map(({ text }) => text).join(',')}]`), asText);
      if (this.#pending.size === 1) this.#wait.begin();
    }
  }

  #read(data: Buffer): void {
    this.#hear();
    this.#wait.end();
    try {
      const answers = parse(data, this.#url);
      if (!Array.isArray(answers)) throw invalid(this.#url, 'not a list of answers');
      for (const answer of answers) this.#take(answer as AnswerFrame);
    } catch (error) {
      this.#end(error);
    }
    if (this.#outbox.length > 0) this.#flushSoon();
  }

  #take({ id, status, body }: AnswerFrame): void {
    this.#unanswered.delete(id);
    this.#settle(id)?.resolve({ status, body });
  }

  #cancel(id: number, reason: unknown): void {
    const pending = this.#settle(id);
    if (pending === undefined) return;
    this.#outbox = this.#outbox.filter((each) => each.id !== id);
    if (this.#unanswered.has(id) && this.#webSocket.readyState === this.#webSocket.OPEN) {
      this.#webSocket.send(JSON.stringify([{ cancel: id }]));
    }
    const isAbort = reason instanceof Error && reason.name === 'AbortError';
    pending.reject(isAbort ? reason : new DOMException('the caller has gone', 'AbortError'));
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    pending.unhook?.();
    if (this.#pending.size === 0) this.#tcp?.unref();
    return pending;
  }

  #hear(): void {
    this.#heardAtMs = performance.now();
  }

  #end(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#wait.end();
    this.#webSocket.terminate();
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(error);
  }
}
