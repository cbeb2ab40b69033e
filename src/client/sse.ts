/**
 * Server-sent events: cuts a byte stream into messages (HTML Living Standard §9.2.6), with a bound on each.
 */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';

/** One event. */
export interface SseMessage {
  readonly event: string;
  readonly data: string;
  /** The id this message gives; undefined when it gives none. */
  readonly id: string | undefined;
}

/**
 * Feeds on chunks of any cut. A message longer than a body may be (`limits.bodyBytes`) throws
 * SERVER_ANSWER_INVALID.
 */
export class SseParser {
  readonly #url: string;
  readonly #decoder = new TextDecoder();
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id: string | undefined;
  #lastId: string | undefined;
  #length = 0;

  /** `url` is named in errors. */
  constructor(deps: { url: string }) {
    this.#url = deps.url;
  }

  /** The newest id given, by a message or by a comment between messages. */
  get lastEventId(): string | undefined {
    return this.#lastId;
  }

  push(chunk: Uint8Array): SseMessage[] {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    // A CR at the very end may be the first half of a CR LF.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    const messages = lines.flatMap((line) => this.#line(line));
    this.#assertBound(this.#length + this.#rest.length);
    return messages;
  }

  #line(line: string): SseMessage[] {
    if (line === '') return this.#dispatch();
    this.#length += line.length;
    this.#assertBound(this.#length);
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    if (name === 'data') this.#data.push(value);
    if (name === 'id' && !value.includes('\0')) this.#id = value;
    return [];
  }

  #dispatch(): SseMessage[] {
    const message = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
    const isEmpty = this.#data.length === 0;
    this.#lastId = this.#id ?? this.#lastId;
    this.#event = '';
    this.#data = [];
    this.#id = undefined;
    this.#length = 0;
    return isEmpty ? [] : [message];
  }

  #assertBound(length: number): void {
    if (length <= limits.bodyBytes) return;
    const problem = `an event longer than ${limits.bodyBytes} characters`;
    throw new BlixardError('SERVER_ANSWER_INVALID', { url: this.#url, problem });
  }
}
