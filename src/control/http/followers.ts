/** Replies that go on for as long as somebody follows; their number is bounded. */
import { Readable } from 'node:stream';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Log } from '../../platform/log.ts';
import type { StreamReply } from './handlers/handler.ts';

const followHeaders = {
  'content-type': 'text/event-stream',
  // Proxies must not gather events before they pass them on.
  'x-accel-buffering': 'no',
  // Kept for another request after the stream, it would hold up the close of the server.
  connection: 'close',
};

/** Followers of one kind of thing on this control node, at most `limits.followersMax`. */
export class Followers {
  readonly #of: string;
  readonly #log: Log;
  #open = 0;

  /** `of` names the thing in errors. */
  constructor(deps: { of: string; log: Log }) {
    this.#of = deps.of;
    this.#log = deps.log;
  }

  /** Streams server-sent events as fast as they are read. Throws OVERLOADED. */
  reply(events: AsyncIterable<string>): StreamReply {
    if (this.#open >= limits.followersMax)
      throw new BlixardError('OVERLOADED', {
        problem: `${this.#open} followers of ${this.#of} on this server`,
      });
    const body = Readable.from(events, { objectMode: false });
    this.#open++;
    body.once('close', () => this.#open--);
    body.on('error', (error) => this.#log.warn({ err: error }, `following ${this.#of} was cut off`));
    return { headers: followHeaders, body };
  }
}
