/** One persistent connection: frames in, calls made, answers out. */
import type { WebSocket } from 'ws';
import type { AnswerFrame } from '../../contract/calls.ts';
import type { RouteName } from '../../contract/routes.ts';
import { defaults } from '../../domain/defaults.ts';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { BusyWait } from '../../platform/busy-wait.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { LazySignal } from '../../platform/lazy-signal.ts';
import { answerText, messagesOf } from './answer-texts.ts';
import { type Frame, framesOf, RefusedFrame } from './call-frames.ts';
import type { CallInput, Calls } from './calls.ts';

/** Statuses of a close, as RFC 6455 has them. */
const brokenFrame = 1002;
const notJson = 1007;
const claimingRoute: RouteName = 'work';
/** Longest reason a close can carry, in bytes; what is said here is ASCII. */
const reasonLength = 120;
/** A text beside the bytes of its head would have them written in a slower way. */
const asText = { binary: false };

interface RouteAnswer extends AnswerFrame {
  readonly route: string;
}

export class CallConnection {
  readonly #webSocket: WebSocket;
  readonly #calls: Calls;
  readonly #clock: Clock;
  readonly #open = new Map<number, LazySignal>();
  /** Answers of this turn of the event loop: those of one commit go out together, and are made into text only then. */
  #answers: RouteAnswer[] = [];
  /** Some of them wait until the client has taken what was sent before: their texts could be gigabytes. */
  #isBehind = false;
  #heard = true;
  /** For the next call of one that makes them one after another. */
  readonly #wait = new BusyWait(defaults.nextCallBusyMs);
  #silences = 0;
  #timer: Timer | undefined;
  #closing: { readonly status: number; readonly reason: string } | undefined;
  /** Resolves when it is closed. */
  readonly closed: Promise<void>;

  constructor(webSocket: WebSocket, deps: { readonly calls: Calls; readonly clock: Clock }) {
    this.#webSocket = webSocket;
    this.#calls = deps.calls;
    this.#clock = deps.clock;
    webSocket.on('message', (data: Buffer, isBinary) => this.#read(data, isBinary));
    webSocket.on('pong', () => this.#hear());
    // A broken message or a lost connection; `close` follows.
    webSocket.on('error', () => webSocket.terminate());
    this.closed = new Promise((resolve) => {
      webSocket.once('close', () => {
        this.#end();
        resolve();
      });
    });
    this.#watch();
  }

  /** Takes no more calls; closes when those under way are answered. */
  close(status: number, reason: string): void {
    this.#closing ??= { status, reason: reason.slice(0, reasonLength) };
    if (this.#open.size > 0 || this.#answers.length > 0) return;
    this.#webSocket.close(this.#closing.status, this.#closing.reason);
  }

  /** Closes at once. */
  cut(): void {
    this.#webSocket.terminate();
  }

  #read(data: Buffer, isBinary: boolean): void {
    this.#hear();
    this.#wait.end();
    if (this.#closing !== undefined) return;
    try {
      if (isBinary) throw new BlixardError('BODY_INVALID_JSON', { problem: 'a binary message' });
      for (const frame of framesOf(data)) this.#take(frame);
    } catch (error) {
      this.#break(notJson, problemOf(error));
    }
    if (this.#webSocket.bufferedAmount > limits.answerBacklogBytes) this.#webSocket.pause();
  }

  #take(frame: unknown): void {
    const { id, cancel, route }: Frame = frame ?? {};
    if (Number.isSafeInteger(cancel)) {
      this.#open.get(cancel as number)?.abort(clientGone());
      return;
    }
    if (!Number.isSafeInteger(id) || typeof route !== 'string') {
      this.#break(brokenFrame, 'a frame has an id, a whole number, and a route, a text; or cancel, an id');
    } else if (this.#open.has(id as number)) {
      this.#break(brokenFrame, `call ${String(id)} is under way already`);
    } else if (frame instanceof RefusedFrame) {
      this.#refuse(id as number, route, frame.error);
    } else {
      void this.#serve(id as number, route, frame as CallInput);
    }
  }

  #refuse(id: number, route: string, error: unknown): void {
    this.#answer({ id, ...this.#calls.refusal(error, route), route });
  }

  async #serve(id: number, route: string, input: CallInput): Promise<void> {
    const waiting = this.#isBehind ? this.#answers.length : 0;
    if (this.#open.size + waiting >= limits.callsPerConnection) {
      const problem = `${limits.callsPerConnection} calls are under way on this connection`;
      return this.#refuse(id, route, new BlixardError('OVERLOADED', { problem }));
    }
    const gone = new LazySignal();
    this.#open.set(id, gone);
    const { status, body } = await this.#calls.answer(route, input, gone);
    this.#open.delete(id);
    this.#answer({ id, status, body, route });
    // Jobs that were given out begin before those who submitted them are told: that is for what follows.
    if (route === claimingRoute) this.#flush();
  }

  #answer(answer: RouteAnswer): void {
    if (this.#answers.push(answer) === 1) process.nextTick(() => this.#flush());
  }

  #textOf(answer: RouteAnswer): string {
    try {
      return answerText(answer);
    } catch (error) {
      return answerText({ id: answer.id, ...this.#calls.refusal(error, answer.route) });
    }
  }

  #flush(): void {
    if (this.#answers.length === 0) return;
    const texts = this.#textsToSend();
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    for (const message of messagesOf(texts))
      this.#webSocket.send(Buffer.from(message), asText, () => this.#sent());
    if (this.#open.size === 0) this.#wait.begin();
    if (this.#closing !== undefined) this.close(this.#closing.status, this.#closing.reason);
  }

  /** As much of what is to be answered as may wait for the client; the rest of it goes out as that is taken. */
  #textsToSend(): string[] {
    const answers = this.#answers;
    this.#answers = [];
    this.#isBehind = false;
    const texts: string[] = [];
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return texts;
    let length = this.#webSocket.bufferedAmount;
    for (const answer of answers) {
      if (length > limits.answerBacklogBytes) {
        this.#answers = answers.slice(texts.length);
        this.#isBehind = true;
        this.#webSocket.pause();
        break;
      }
      const text = this.#textOf(answer);
      length += text.length;
      texts.push(text);
    }
    return texts;
  }

  #sent(): void {
    // A client that takes what it is sent is there, though nothing of it is read meanwhile.
    this.#hear();
    if (this.#webSocket.bufferedAmount > limits.answerBacklogBytes) return;
    // Not at once: other connections have their turn in between.
    if (this.#isBehind) setImmediate(() => this.#flush());
    else if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  #break(status: number, problem: string): void {
    this.#webSocket.close(status, problem.slice(0, reasonLength));
    this.#closing = { status, reason: '' };
    for (const gone of this.#open.values()) gone.abort(clientGone());
  }

  #hear(): void {
    this.#heard = true;
  }

  /** A client that says nothing is asked whether it is there; one that does not answer is gone. */
  #watch(): void {
    this.#timer = this.#clock.after(defaults.callsPingMs, () => {
      this.#silences = this.#heard ? 0 : this.#silences + 1;
      if (this.#silences > 2) return this.cut();
      this.#heard = false;
      this.#webSocket.ping();
      this.#watch();
    });
  }

  #end(): void {
    this.#wait.end();
    this.#timer?.cancel();
    for (const gone of this.#open.values()) gone.abort(clientGone());
  }
}

function clientGone(): Error {
  return new DOMException('the client has gone', 'AbortError');
}
