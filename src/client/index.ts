/** The SDK: submit jobs, wait for them, follow their output. See `BlixardClient` for an example. */
export type * from '../contract/job.ts';
export type { LogRecord, LogStream } from '../contract/log.ts';
export type { Artifact, ArtifactList, Progress } from '../contract/result.ts';
export type { BodyOf, JsonRouteName, ParamsOf, QueryOf, ReplyOf, RouteName } from '../contract/routes.ts';
export type { Stats } from '../contract/system.ts';
export type * from '../contract/together.ts';
export type * from '../contract/webhook.ts';
export type * from '../contract/worker.ts';
export { BlixardError, type ErrorCode, type ErrorDetails, isBlixardError } from '../domain/errors.ts';
export type { DownloadOptions } from './artifacts.ts';
export { BlixardClient, type LogRange, type ReadLogsOptions } from './client.ts';
export type { FollowEventsOptions } from './follow-events.ts';
export type { FollowEvent, FollowOptions } from './follow-logs.ts';
export { httpTransport } from './http-transport.ts';
export { socketTransport } from './socket-transport.ts';
export type { Transport, WireCall, WireReply, WireRequest, WireResponse } from './transport.ts';
export type { CallArgs, CallInput, CallOptions } from './wire.ts';
