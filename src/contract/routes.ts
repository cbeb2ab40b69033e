/** The route table: server, SDK and OpenAPI are loops over it. Nothing else states a path. */
import type { ErrorCode } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { AttemptPage, EventPage, Job } from './job.ts';
import { queueRoutes } from './queue-routes.ts';
import {
  attemptParams,
  cancelBody,
  jobParams,
  ofGeneration,
  retryBody,
  retryHeaders,
  workerParams,
} from './route-params.ts';
import { resultRoutes } from './routes/results.ts';
import { tellRoutes } from './routes/tell.ts';
import { togetherRoutes } from './routes/together.ts';
import { vmRoutes } from './routes/vms.ts';
import { workerTellRoutes } from './routes/workers.ts';
import { scheduleRoutes } from './schedule-routes.ts';
import { cursor, oneOf, pageSize, strict, wholeNumber } from './schema.ts';
import { submitRoutes } from './submit-routes.ts';
import { Health, Ready, Stats } from './system.ts';
import { type Static, type TObject, type TSchema, Type } from './typebox.ts';
import {
  Heartbeat,
  HeartbeatReply,
  Registered,
  RegisterWorker,
  StartAttempt,
  StartReply,
  Worker,
  WorkerId,
  WorkerPage,
  WorkReply,
  WorkRequest,
} from './worker.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** OpenAPI form, parameters in braces. */
  readonly path: string;
  readonly summary: string;
  readonly params?: TObject;
  readonly query?: TObject;
  /** Headers the handler reads, in lower case. */
  readonly headers?: TObject;
  /** A schema for JSON, or `bytes` for application/octet-stream. */
  readonly body?: TSchema | 'bytes';
  /** The body is a list, and each of its entries stands on a line of its own. */
  readonly bodyIsLines?: true;
  readonly status: number;
  /** A schema for JSON, or `stream` when the handler writes the reply itself. */
  readonly reply: TSchema | 'stream';
  /** Content type of a reply that streams and cannot be followed. */
  readonly streams?: string;
  /** What a reply that streams is when nobody follows: a JSON page; else a range of bytes. */
  readonly page?: TSchema;
  readonly errors: readonly ErrorCode[];
}

/** Keeps literal types while checking the shape. */
function table<const T extends Record<string, Route>>(rows: T): T {
  return rows;
}

export const routes = table({
  ...submitRoutes,
  getJob: {
    method: 'GET',
    path: '/v1/jobs/{id}',
    summary: 'One job; with waitMs the answer comes when it has ended, or when that time is over.',
    params: jobParams,
    query: strict({ waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.waitMsMax })) }),
    status: 200,
    reply: Job,
    errors: ['JOB_NOT_FOUND', 'JOB_ID_AMBIGUOUS', 'STORE_UNAVAILABLE'],
  },
  cancelJob: {
    method: 'POST',
    path: '/v1/jobs/{id}/cancel',
    summary:
      'Cancel. A running command gets SIGTERM, a grace time, then its VM is killed. The same again gives the job ' +
      'as it is.',
    params: jobParams,
    body: cancelBody,
    status: 200,
    reply: Job,
    errors: ['JOB_NOT_FOUND', 'JOB_ID_AMBIGUOUS', 'JOB_INVALID_TRANSITION', 'STORE_UNAVAILABLE'],
  },
  retryJob: {
    method: 'POST',
    path: '/v1/jobs/{id}/retry',
    summary: 'Run a failed or cancelled job again, with all its attempts allowed anew.',
    params: jobParams,
    headers: retryHeaders,
    body: retryBody,
    status: 200,
    reply: Job,
    errors: [
      'JOB_NOT_FOUND',
      'JOB_ID_AMBIGUOUS',
      'JOB_CHANGED',
      'JOB_INVALID_TRANSITION',
      'UNIQUE_CONFLICT',
      'STORE_UNAVAILABLE',
    ],
  },
  listAttempts: {
    method: 'GET',
    path: '/v1/jobs/{id}/attempts',
    summary: 'The newest attempts of a job, oldest first.',
    params: jobParams,
    status: 200,
    reply: AttemptPage,
    errors: ['JOB_NOT_FOUND', 'JOB_ID_AMBIGUOUS', 'STORE_UNAVAILABLE'],
  },
  listJobEvents: {
    method: 'GET',
    path: '/v1/jobs/{id}/events',
    summary: 'What happened to a job, oldest first.',
    params: jobParams,
    query: strict({ limit: pageSize, cursor }),
    status: 200,
    reply: EventPage,
    errors: ['EVENTS_GONE', 'JOB_NOT_FOUND', 'JOB_ID_AMBIGUOUS', 'STORE_UNAVAILABLE'],
  },
  readLogs: {
    method: 'GET',
    path: '/v1/jobs/{id}/logs',
    summary:
      'Output of an attempt: a range of bytes, or with follow server-sent events until the job has ended.',
    params: jobParams,
    query: strict({
      attempt: Type.Optional(wholeNumber(1, { description: 'default: the newest' })),
      stream: Type.Optional(oneOf(['all', 'stdout', 'stderr'], { default: 'all' })),
      format: Type.Optional(
        oneOf(['raw', 'records'], {
          description: 'raw: the bytes as written; records: as stored, streams apart',
        }),
      ),
      offset: Type.Optional(wholeNumber(0, { description: 'where to start, as told by the last range' })),
      limitBytes: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.bodyBytes })),
      follow: Type.Optional(Type.Boolean()),
    }),
    status: 200,
    reply: 'stream',
    errors: ['JOB_NOT_FOUND', 'JOB_ID_AMBIGUOUS', 'ATTEMPT_NOT_FOUND', 'OVERLOADED', 'STORE_UNAVAILABLE'],
  },
  ...togetherRoutes,
  ...queueRoutes,
  ...scheduleRoutes,
  ...vmRoutes,
  registerWorker: {
    method: 'POST',
    path: '/v1/workers',
    summary: 'Register a worker: a new generation; what the old one held is put back at once.',
    body: RegisterWorker,
    status: 200,
    reply: Registered,
    errors: ['VALIDATION_FAILED', 'STORE_UNAVAILABLE'],
  },
  listWorkers: {
    method: 'GET',
    path: '/v1/workers',
    summary: 'Workers that have registered; one that was offline for 30 days is forgotten.',
    status: 200,
    reply: WorkerPage,
    errors: ['STORE_UNAVAILABLE'],
  },
  getWorker: {
    method: 'GET',
    path: '/v1/workers/{id}',
    summary: 'One worker.',
    params: workerParams,
    status: 200,
    reply: Worker,
    errors: ['WORKER_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  work: {
    method: 'POST',
    path: '/v1/workers/{id}/work',
    summary:
      'Report ended attempts, claim jobs and renew the lease in one transaction; waits when there is nothing.',
    params: workerParams,
    body: WorkRequest,
    status: 200,
    reply: WorkReply,
    errors: ['VALIDATION_FAILED', 'WORKER_NOT_FOUND', 'FENCED', 'STORE_UNAVAILABLE'],
  },
  ...workerTellRoutes,
  heartbeat: {
    method: 'POST',
    path: '/v1/workers/{id}/heartbeat',
    summary: 'Renew the lease.',
    params: workerParams,
    body: Heartbeat,
    status: 200,
    reply: HeartbeatReply,
    errors: ['WORKER_NOT_FOUND', 'FENCED', 'STORE_UNAVAILABLE'],
  },
  drainWorker: {
    method: 'POST',
    path: '/v1/workers/{id}/drain',
    summary: 'The worker gets no more jobs; those it runs go on.',
    params: workerParams,
    query: ofGeneration,
    status: 200,
    reply: Worker,
    errors: ['WORKER_NOT_FOUND', 'FENCED', 'STORE_UNAVAILABLE'],
  },
  removeWorker: {
    method: 'DELETE',
    path: '/v1/workers/{id}',
    summary: 'The worker leaves: it is offline, and jobs it still held are put back.',
    params: workerParams,
    query: ofGeneration,
    status: 200,
    reply: Worker,
    errors: ['WORKER_NOT_FOUND', 'FENCED', 'STORE_UNAVAILABLE'],
  },
  startAttempt: {
    method: 'POST',
    path: '/v1/attempts/{id}/{attempt}/start',
    summary: 'The worker has started this attempt.',
    params: attemptParams,
    body: StartAttempt,
    status: 200,
    reply: StartReply,
    errors: ['VALIDATION_FAILED', 'FENCED', 'STORE_UNAVAILABLE'],
  },
  appendLogs: {
    method: 'POST',
    path: '/v1/attempts/{id}/{attempt}/logs',
    summary: 'Append log records at an offset; sending the same again changes nothing.',
    params: attemptParams,
    query: strict({
      workerId: WorkerId,
      generation: wholeNumber(1),
      offset: wholeNumber(0),
      gap: Type.Optional(Type.Boolean({ description: 'what lies before offset is lost; go on from it' })),
    }),
    body: 'bytes',
    status: 200,
    reply: strict({ endOffset: wholeNumber(0) }),
    errors: ['VALIDATION_FAILED', 'FENCED', 'LOG_OFFSET_MISMATCH', 'BODY_TOO_LARGE', 'STORE_UNAVAILABLE'],
  },
  ...resultRoutes,
  ...tellRoutes,
  getStats: {
    method: 'GET',
    path: '/v1/stats',
    summary: 'Jobs per queue and state.',
    status: 200,
    reply: Stats,
    errors: ['STORE_UNAVAILABLE'],
  },
  getHealth: {
    method: 'GET',
    path: '/healthz',
    summary: 'The process is alive.',
    status: 200,
    reply: Health,
    errors: [],
  },
  getReady: {
    method: 'GET',
    path: '/readyz',
    summary: 'The process can do its work; 503 when it cannot.',
    status: 200,
    reply: Ready,
    errors: ['STORE_UNAVAILABLE'],
  },
  getOpenapi: {
    method: 'GET',
    path: '/openapi.json',
    summary: 'This interface as an OpenAPI 3.1 document.',
    status: 200,
    reply: Type.Record(Type.String(), Type.Unknown()),
    errors: [],
  },
});

export type Routes = typeof routes;
export type RouteName = keyof Routes;

type Part<R, K extends string, None> =
  R extends Record<K, infer S> ? (S extends TSchema ? Static<S> : None) : None;

export type ParamsOf<N extends RouteName> = Part<Routes[N], 'params', undefined>;
export type QueryOf<N extends RouteName> = Part<Routes[N], 'query', undefined>;
export type HeadersOf<N extends RouteName> = Part<Routes[N], 'headers', undefined>;
export type BodyOf<N extends RouteName> = Routes[N] extends { body: 'bytes' }
  ? Uint8Array
  : Part<Routes[N], 'body', undefined>;
export type ReplyOf<N extends RouteName> = Part<Routes[N], 'reply', never>;

/** Routes whose reply is JSON; the others stream. */
export type JsonRouteName = { [N in RouteName]: Routes[N]['reply'] extends 'stream' ? never : N }[RouteName];
