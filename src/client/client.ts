/** The client of a control node: every route of the table as a typed call. */
import { setMaxListeners } from 'node:events';
import type { EventPage, Job, JobEvent } from '../contract/job.ts';
import { decodeLogRecords, type LogRecord, type LogStream } from '../contract/log.ts';
import { logRangeHeaders } from '../contract/log-range.ts';
import {
  type JsonRouteName,
  type QueryOf,
  type ReplyOf,
  type Route,
  type RouteName,
  routes,
} from '../contract/routes.ts';
import type { Group } from '../contract/together.ts';
import { secretBytes, secretOf } from '../contract/webhook.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError, isBlixardError } from '../domain/errors.ts';
import { isEnded } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import { formatDurationMs } from '../domain/units.ts';
import { type Clock, realClock, sleep } from '../platform/clock.ts';
import type { LazySignal } from '../platform/lazy-signal.ts';
import { type Ids, makeIds, type Random, realRandom } from '../platform/random.ts';
import { errorOf, invalid, readBody, readJson, valueOfReply } from './answer.ts';
import { type DownloadOptions, downloadArtifact, type ReadArtifact } from './artifacts.ts';
import { Deadline } from './deadline.ts';
import { type FollowEventsOptions, followEvents } from './follow-events.ts';
import { type FollowEvent, type FollowOptions, followLogs } from './follow-logs.ts';
import type { FollowDeps } from './follow-stream.ts';
import { closed, endOfClosed, isRepeatable, type Making, madeRepeatable, unanswered } from './repeatable.ts';
import { retryDelayMs } from './retry.ts';
import type { Transport, WireResponse } from './transport.ts';
import { type WaitDeps, type WaitQuery, waitUntil } from './wait-until.ts';
import { type AnyInput, type CallArgs, type CallOptions, wireCallOf, wireRequestOf } from './wire.ts';

/** Which range of which log. */
export interface ReadLogsOptions extends CallOptions {
  /** Default: the newest. */
  readonly attempt?: number;
  readonly stream?: LogStream | 'all';
  /** Where to start: 0, or the `nextOffset` of the range before. */
  readonly offset?: number;
  /** The range is at most this long, though at least one record; default 1 MiB. */
  readonly limitBytes?: number;
}

/** A range of the log of one attempt. */
export interface LogRange {
  readonly attempt: number;
  readonly records: readonly LogRecord[];
  /** Output within this range that was not kept. */
  readonly missingBytes: number;
  readonly nextOffset: number;
  /** The attempt has ended and this range reaches the end of its log. */
  readonly ended: boolean;
}

/**
 * Calls a control node through a Transport. Every method rejects with a BlixardError: the one the server told
 * of, SERVER_UNREACHABLE, SERVER_ANSWER_INVALID, or CLIENT_CLOSED; and with an AbortError when the caller's signal
 * aborts.
 *
 * @example
 * const client = new BlixardClient({ transport: socketTransport({ url: 'http://127.0.0.1:3020' }) });
 * const job = await client.call('submitJob', { body: { command: ['sh', '-c', 'echo hello; exit 3'] } });
 * for await (const event of client.followLogs(job.id)) {
 *   if (event.kind === 'log') process.stdout.write(event.data);
 *   if (event.kind === 'end') console.log(event.job.state, event.job.exitCode);
 * }
 * await client.close();
 */
export class BlixardClient {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ids: Ids;
  readonly #making: Making;
  readonly #closing = new AbortController();

  constructor(deps: { readonly transport: Transport; readonly clock?: Clock; readonly random?: Random }) {
    this.#transport = deps.transport;
    this.#clock = deps.clock ?? realClock;
    this.#random = deps.random ?? realRandom;
    this.#ids = makeIds(this.#clock, this.#random);
    this.#making = { id: this.#ids, secret: () => secretOf(this.#random.bytes(secretBytes)) };
    // As many as there are calls that wait to be tried again.
    setMaxListeners(0, this.#closing.signal);
  }

  /**
   * Calls a route by its name in the table. Calls that may be repeated safely (every GET, submits and triggers, whose
   * jobs always carry an id, retries, which always carry an Idempotency-Key, others that are given one, sets of
   * webhooks, which carry the secret of a new one, and a few such as `cancelJob` of which a second one changes nothing)
   * are tried up to `limits.callTries` times when the connection is lost.
   */
  async call<N extends JsonRouteName>(name: N, ...[input]: CallArgs<N>): Promise<ReplyOf<N>> {
    const ready = madeRepeatable(name, input ?? {}, this.#making);
    const { url } = this.#transport;
    const { status } = routes[name];
    const reply =
      this.#transport.call && !takesBytes(name)
        ? await this.#inTime(name, ready, (gone) => this.#callOnce(name, ready, gone))
        : await this.#exchange(name, ready, (response) => readJson(response, status, url));
    return reply as ReplyOf<N>;
  }

  /**
   * The output of a job from the start of an attempt to the end of the job, over all attempts. A lost
   * connection is made anew and goes on where it was; after `limits.followTries` in a row without an event
   * it rejects with SERVER_UNREACHABLE. Returns after the event `end`.
   */
  followLogs(jobId: string, options: FollowOptions = {}): AsyncIterable<FollowEvent> {
    return followLogs(this.#followDeps, jobId, options);
  }

  /** One range of the log of an attempt. */
  readLogs(jobId: string, options: ReadLogsOptions = {}): Promise<LogRange> {
    const { signal, timeoutMs, limitBytes = limits.logUploadBytes, ...query } = options;
    const input: AnyInput = {
      params: { id: jobId },
      query: { ...query, limitBytes, format: 'records' },
      ...(signal === undefined ? {} : { signal }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
    return this.#exchange('readLogs', input, (response) => readRange(response, this.#transport.url));
  }

  /** The result of a job that has ended, JSON text as the job wrote it. Rejects with RESULT_NOT_FOUND. */
  readResult(jobId: string, options: CallOptions = {}): Promise<string> {
    const input = { ...options, params: { id: jobId } };
    return this.#exchange('getResult', input, async (response) => {
      if (response.status !== routes.getResult.status) throw await errorOf(response, this.#transport.url);
      return (await readBody(response, this.#transport.url)).toString('utf8');
    });
  }

  /**
   * The bytes of an artifact in pieces of at most `limits.artifactChunkBytes`, each tried anew as every call is; a
   * `timeoutMs` is that of one piece. `call('listArtifacts', …)` tells names, sizes and hashes.
   */
  downloadArtifact(jobId: string, name: string, options: DownloadOptions = {}): AsyncIterable<Buffer> {
    const call: ReadArtifact = (input, read) => this.#exchange('readArtifact', input, read);
    return downloadArtifact({ call, url: this.#transport.url }, jobId, name, options);
  }

  /**
   * Everything that happens, by default from now on: each event once and in order, also over lost
   * connections. Goes on until the caller stops reading or `signal` aborts; rejects as `followLogs` does, and with
   * EVENTS_GONE when events after its place are not kept any more.
   */
  followEvents(options: FollowEventsOptions = {}): AsyncIterable<JobEvent> {
    return followEvents(this.#followDeps, options);
  }

  /**
   * A page of events, oldest first; one with a `nextCursor` may be empty, when few events pass the filter. Rejects with
   * EVENTS_GONE as `followEvents` does.
   */
  async listEvents(
    query: Omit<QueryOf<'listEvents'>, 'follow'> = {},
    options: CallOptions = {},
  ): Promise<EventPage> {
    const input = { ...options, query: { ...query, follow: false } };
    const page = await this.#exchange('listEvents', input, (response) =>
      readJson(response, routes.listEvents.status, this.#transport.url),
    );
    return page as EventPage;
  }

  /** A fresh id, for jobs of one batch that name each other. */
  newJobId(): string {
    return this.#ids();
  }

  /**
   * The group, once all of its jobs have ended; `timeoutMs` is for each of the calls that wait for it. A server that
   * restarts meanwhile is waited for, as `followLogs` does.
   */
  waitGroup(name: string, options: CallOptions = {}): Promise<Group> {
    const input = { ...options, params: { name } };
    const call = (query: WaitQuery): Promise<Group> => this.call('getGroup', { ...input, query });
    return waitUntil(this.#waitDeps(options), call, ({ finished }) => finished);
  }

  /** The job, once it has ended; otherwise as `waitGroup`. */
  waitJob(jobId: string, options: CallOptions = {}): Promise<Job> {
    const input = { ...options, params: { id: jobId } };
    const call = (query: WaitQuery): Promise<Job> => this.call('getJob', { ...input, query });
    return waitUntil(this.#waitDeps(options), call, ({ state }) => isEnded(state));
  }

  /** Ends what is under way, and what waits to be tried again, with CLIENT_CLOSED. Safe to call again. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#transport.close();
  }

  #waitDeps({ signal }: CallOptions): WaitDeps {
    return { clock: this.#clock, closing: this.#closing.signal, signal };
  }

  get #followDeps(): FollowDeps {
    return { transport: this.#transport, clock: this.#clock, closing: this.#closing.signal };
  }

  async #callOnce(name: JsonRouteName, input: AnyInput, gone: LazySignal): Promise<unknown> {
    const reply = await this.#transport.call?.(wireCallOf(name, input, gone));
    return valueOfReply(reply, routes[name].status, this.#transport.url);
  }

  #exchange<T>(name: RouteName, input: AnyInput, read: (response: WireResponse) => Promise<T>): Promise<T> {
    const request = wireRequestOf(name, input);
    return this.#inTime(name, input, async ({ signal }) =>
      read(await this.#transport.send({ ...request, signal })),
    );
  }

  /** Tries, again where that is safe, until the call's time is over. */
  async #inTime<T>(name: RouteName, input: AnyInput, attempt: (gone: LazySignal) => Promise<T>): Promise<T> {
    const timeoutMs = input.timeoutMs ?? defaults.callTimeoutMs + waitMsOf(input);
    const deadline = new Deadline({ clock: this.#clock, timeoutMs, signal: input.signal });
    try {
      return await this.#tryTimes(isRepeatable(name, input) ? limits.callTries : 1, deadline.gone, attempt);
    } catch (error) {
      if (!deadline.isOver) throw error;
      const problem = `no answer within ${formatDurationMs(timeoutMs)}`;
      throw new BlixardError('SERVER_UNREACHABLE', { url: this.#transport.url, problem }, { cause: error });
    } finally {
      deadline.stop();
    }
  }

  async #tryTimes<T>(tries: number, gone: LazySignal, attempt: (gone: LazySignal) => Promise<T>): Promise<T> {
    const { signal: closing } = this.#closing;
    if (closing.aborted) throw closed('no call can be made with it any more');
    for (let failures = 0; ; ) {
      try {
        return await attempt(gone);
      } catch (error) {
        failures++;
        if (closing.aborted) throw endOfClosed(error);
        if (tries === 1) throw unanswered(error);
        if (failures >= tries || !isBlixardError(error, 'SERVER_UNREACHABLE')) throw error;
        const delayMs = retryDelayMs(failures, this.#random);
        await sleep(this.#clock, delayMs, gone.signal, closing);
        if (closing.aborted) throw endOfClosed(error);
      }
    }
  }
}

function takesBytes(name: RouteName): boolean {
  const route: Route = routes[name];
  return route.body === 'bytes';
}

/** How long the server may wait before it answers. */
function waitMsOf({ query, body }: AnyInput): number {
  const waitMs = query?.['waitMs'] ?? (body as { readonly waitMs?: unknown } | undefined)?.waitMs;
  return typeof waitMs === 'number' ? waitMs : 0;
}

async function readRange(response: WireResponse, url: string): Promise<LogRange> {
  if (response.status !== routes.readLogs.status) throw await errorOf(response, url);
  const records = recordsOf(await readBody(response, url), url);
  const number = (header: string): number => {
    const text = response.headers[header];
    if (text === undefined || !/^\d{1,16}$/.test(text)) throw invalid(url, `${header}: ${text ?? 'missing'}`);
    return Number(text);
  };
  return {
    attempt: number(logRangeHeaders.attempt),
    records,
    missingBytes: number(logRangeHeaders.missingBytes),
    nextOffset: number(logRangeHeaders.nextOffset),
    ended: response.headers[logRangeHeaders.ended] === 'true',
  };
}

function recordsOf(bytes: Buffer, url: string): readonly LogRecord[] {
  const { records, usedBytes } = decodeLogRecords(bytes);
  if (usedBytes < bytes.length) throw invalid(url, 'a log record cut in two');
  return records;
}
