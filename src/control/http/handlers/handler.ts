/**
 * What a handler is: a route's typed input in, its typed reply out; nothing of HTTP but headers of streams.
 */
import type { Readable } from 'node:stream';
import type {
  BodyOf,
  HeadersOf,
  ParamsOf,
  QueryOf,
  ReplyOf,
  RouteName,
  Routes,
} from '../../../contract/routes.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { LazySignal } from '../../../platform/lazy-signal.ts';
import type { Log } from '../../../platform/log.ts';
import type { EventFeed } from '../../events/event-feed.ts';
import type { ForgetCommands } from '../../forget-commands.ts';
import type { JobCommands } from '../../job-commands.ts';
import type { JobQueries } from '../../job-queries.ts';
import type { LogStore } from '../../logs/log-store.ts';
import type { QueueCommands } from '../../queue-commands.ts';
import type { QueueQueries } from '../../queue-queries.ts';
import type { ArtifactFiles } from '../../results/artifact-files.ts';
import type { Results } from '../../results/results.ts';
import type { ScheduleCommands } from '../../schedules/schedule-commands.ts';
import type { Signals } from '../../signals.ts';
import type { Groups } from '../../together/groups.ts';
import type { VmBoard } from '../../vm-board.ts';
import type { Webhooks } from '../../webhooks/webhooks.ts';
import type { WorkerCommands } from '../../worker-commands.ts';

/** What the handlers work with. */
export interface AppDeps {
  readonly jobs: JobCommands;
  readonly schedules: ScheduleCommands;
  readonly workers: WorkerCommands;
  readonly queries: JobQueries;
  readonly queues: QueueCommands;
  readonly queueQueries: QueueQueries;
  readonly groups: Groups;
  readonly forget: ForgetCommands;
  readonly logs: LogStore;
  readonly results: Results;
  readonly artifacts: ArtifactFiles;
  readonly events: EventFeed;
  readonly webhooks: Webhooks;
  readonly vms: VmBoard;
  readonly signals: Signals;
  readonly clock: Clock;
  readonly log: Log;
  /** Of this program, told by `/healthz` and OpenAPI. */
  readonly version: string;
}

/** A validated request. */
export interface Call<N extends RouteName> {
  readonly params: ParamsOf<N>;
  readonly query: QueryOf<N>;
  readonly headers: HeadersOf<N>;
  readonly body: BodyOf<N>;
  /** The `last-event-id` header. */
  readonly lastEventId: string | undefined;
  /** Aborts when the client has gone or the server closes. */
  readonly gone: LazySignal;
  /** The same, made when it is looked at. */
  readonly signal: AbortSignal;
}

/** A reply that is written as it comes. */
export interface StreamReply {
  /** Default: that of the route. */
  readonly status?: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable | string;
}

type Reply<N extends RouteName> = Routes[N]['reply'] extends 'stream' ? StreamReply : ReplyOf<N>;

/** Answers one route; throws a BlixardError for every refusal. */
export type Handler<N extends RouteName> = (call: Call<N>) => Promise<Reply<N>>;

/** One handler for each route of the table: a missing one is a type error. */
export type Handlers = { readonly [N in RouteName]: Handler<N> };
