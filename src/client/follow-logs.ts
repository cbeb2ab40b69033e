/** Following the logs of a job until it has ended: one stream that survives lost connections. */

import type { Job } from '../contract/job.ts';
import type { LogStream } from '../contract/log.ts';
import type { EndEvent, GapEvent, LogEvent } from '../contract/log-events.ts';
import { isBlixardError } from '../domain/errors.ts';
import { defaults, limits } from '../domain/limits.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import { chunksOf, errorOf, invalid, unreachable } from './answer.ts';
import { Deadline } from './deadline.ts';
import { retryDelayMs } from './retry.ts';
import { type SseMessage, SseParser } from './sse.ts';
import type { Transport, WireRequest } from './transport.ts';
import { wireRequestOf } from './wire.ts';

/** Output of one attempt, output that was not kept, or the end of the job: always the last. */
export type FollowEvent =
  | {
      readonly kind: 'log';
      readonly attempt: number;
      readonly stream: LogStream;
      readonly atMs: number;
      readonly data: Buffer;
    }
  | { readonly kind: 'gap'; readonly attempt: number; readonly missingBytes: number }
  | { readonly kind: 'end'; readonly job: Job };

/** Where to follow from, and until when. */
export interface FollowOptions {
  /** Where to start; default the newest. Later attempts follow by themselves. */
  readonly attempt?: number;
  readonly signal?: AbortSignal;
}

/** What following needs to know of its client. */
export interface FollowDeps {
  readonly transport: Transport;
  readonly clock: Clock;
}

/** Every byte once and in order, also over lost connections; see `BlixardClient.followLogs`. */
export async function* followLogs(
  deps: FollowDeps,
  jobId: string,
  options: FollowOptions,
): AsyncGenerator<FollowEvent> {
  let lastEventId: string | undefined;
  let connected = false;
  for (let failures = 0; ; ) {
    try {
      for await (const message of connection(deps, jobId, { ...options, lastEventId })) {
        connected = true;
        if (message === 'open') continue;
        failures = 0;
        if (message === 'alive') continue;
        lastEventId = message.id ?? lastEventId;
        const event = eventOf(message, deps.transport.url);
        if (event !== undefined) yield event;
        if (event?.kind === 'end') return;
      }
      throw unreachable(deps.transport.url, 'the stream ended before the job');
    } catch (error) {
      failures++;
      const isLost = isBlixardError(error) && error.entry.fault === 'transient';
      if (!isLost || failures >= (connected ? limits.followTries : limits.callTries)) throw error;
      await sleep(deps.clock, retryDelayMs(failures), options.signal);
    }
  }
}

/**
 * The messages of one connection: before them `open`, and `alive` at each sign of life once it has held for a
 * heartbeat. Rejects with SERVER_UNREACHABLE when it is lost or has gone silent.
 */
async function* connection(
  { transport, clock }: FollowDeps,
  jobId: string,
  options: FollowOptions & { lastEventId: string | undefined },
): AsyncGenerator<SseMessage | 'open' | 'alive'> {
  const { url } = transport;
  const silence = new Deadline({ clock, timeoutMs: defaults.followSilenceMs, signal: options.signal });
  try {
    const response = await transport.send({ ...followRequest(jobId, options), signal: silence.signal });
    if (response.status !== 200) throw await errorOf(response, url);
    yield 'open';
    const openedAtMs = clock.monotonicMs();
    const parser = new SseParser({ url });
    for await (const chunk of chunksOf(response, url)) {
      // A consumer that takes its time is no silence of the server.
      silence.pause();
      if (clock.monotonicMs() - openedAtMs >= defaults.followHeartbeatMs) yield 'alive';
      yield* parser.push(chunk);
      silence.restart();
    }
  } catch (error) {
    throw silence.isOver ? unreachable(url, 'silent for too long') : error;
  } finally {
    silence.stop();
  }
}

function followRequest(
  jobId: string,
  options: { readonly attempt?: number; readonly lastEventId: string | undefined },
): WireRequest {
  const query = { follow: true, attempt: options.attempt };
  const request = wireRequestOf('readLogs', { params: { id: jobId }, query });
  const resume = options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId };
  return { ...request, headers: { accept: 'text/event-stream', ...resume } };
}

/** The event a message tells; undefined for one of a kind this client does not know. */
function eventOf({ event, data }: SseMessage, url: string): FollowEvent | undefined {
  try {
    if (event === 'log') {
      const { attempt, stream, atMs, dataBase64 } = JSON.parse(data) as LogEvent;
      return { kind: 'log', attempt, stream, atMs, data: Buffer.from(dataBase64, 'base64') };
    }
    if (event === 'gap') return { kind: 'gap', ...(JSON.parse(data) as GapEvent) };
    if (event === 'end') return { kind: 'end', ...(JSON.parse(data) as EndEvent) };
    return undefined;
  } catch (error) {
    throw invalid(url, `a ${event} event that is not as agreed`, error);
  }
}
