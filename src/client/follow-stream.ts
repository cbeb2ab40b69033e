/** A stream of server-sent events that survives lost connections: each is made anew where the last one ended. */

import { defaults } from '../domain/defaults.ts';
import { isBlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import { chunksOf, errorOf, unreachable } from './answer.ts';
import { Deadline } from './deadline.ts';
import { closed, endOfClosed } from './repeatable.ts';
import { retryDelayMs } from './retry.ts';
import { type SseMessage, SseParser } from './sse.ts';
import type { Transport, WireRequest } from './transport.ts';

/** What following needs to know of its client. */
export interface FollowDeps {
  readonly transport: Transport;
  readonly clock: Clock;
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal;
}

/** What is followed. */
export interface StreamOptions {
  readonly request: WireRequest;
  readonly signal?: AbortSignal | undefined;
}

/** Where the last connection has ended. */
interface Place {
  lastEventId?: string | undefined;
}

/**
 * Every message once and in order, for as long as the caller reads. Rejects with the error the server told of,
 * and with SERVER_UNREACHABLE after `limits.followTries` in a row that gave nothing and did not hold for a heartbeat
 * (`limits.callTries` when none ever connected); with CLIENT_CLOSED at once.
 */
export async function* followStream(deps: FollowDeps, options: StreamOptions): AsyncGenerator<SseMessage> {
  const { closing } = deps;
  if (closing.aborted) throw closed('nothing can be followed with it any more');
  const place: Place = {};
  let tries: number = limits.callTries;
  for (let failures = 0; ; ) {
    const from = place.lastEventId;
    try {
      for await (const message of connection(deps, options, place)) {
        tries = limits.followTries;
        if (message === 'open') continue;
        failures = 0;
        if (message !== 'alive') yield message;
      }
      throw unreachable(deps.transport.url, 'the stream ended');
    } catch (error) {
      if (closing.aborted) throw endOfClosed(error);
      // A comment may have carried a new place, too.
      failures = place.lastEventId === from ? failures + 1 : 1;
      const isLost = isBlixardError(error) && error.entry.fault === 'transient';
      if (!isLost || failures >= tries) throw error;
      await sleep(deps.clock, retryDelayMs(failures), closing, options.signal);
      if (closing.aborted) throw endOfClosed(error);
    }
  }
}

/**
 * The messages of one connection: before them `open`, and `alive` at each sign of life once it has held for a
 * heartbeat. Rejects with SERVER_UNREACHABLE when it is lost or has gone silent.
 */
async function* connection(
  { transport, clock }: FollowDeps,
  { request, signal }: StreamOptions,
  place: Place,
): AsyncGenerator<SseMessage | 'open' | 'alive'> {
  const { url } = transport;
  const silence = new Deadline({ clock, timeoutMs: defaults.followSilenceMs, signal });
  const resume = place.lastEventId === undefined ? {} : { 'last-event-id': place.lastEventId };
  try {
    const headers = { accept: 'text/event-stream', ...resume };
    const response = await transport.send({ ...request, headers, signal: silence.signal });
    if (response.status !== 200) throw await errorOf(response, url);
    yield 'open';
    const openedAtMs = clock.monotonicMs();
    const parser = new SseParser({ url });
    for await (const chunk of chunksOf(response, url)) {
      // A consumer that takes its time is no silence of the server.
      silence.pause();
      if (clock.monotonicMs() - openedAtMs >= defaults.followHeartbeatMs) yield 'alive';
      for (const message of parser.push(chunk)) {
        place.lastEventId = message.id ?? place.lastEventId;
        yield message;
      }
      place.lastEventId = parser.lastEventId ?? place.lastEventId;
      silence.restart();
    }
  } catch (error) {
    throw silence.isOver ? unreachable(url, 'silent for too long') : error;
  } finally {
    silence.stop();
  }
}
