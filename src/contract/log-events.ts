/** What `GET /v1/jobs/{id}/logs?follow=true` sends: server-sent events, ids `attempt:offset`, resumable. */
import { Job } from './job.ts';
import { oneOf, strict, timeMs } from './schema.ts';
import { type Static, Type } from './typebox.ts';

/** event: log */
export const LogEvent = strict({
  attempt: Type.Integer({ minimum: 1 }),
  stream: oneOf(['stdout', 'stderr']),
  atMs: timeMs,
  dataBase64: Type.String(),
});
export type LogEvent = Static<typeof LogEvent>;

/** event: gap; output that was not kept */
export const GapEvent = strict({
  attempt: Type.Integer({ minimum: 1 }),
  missingBytes: Type.Integer({ minimum: 1 }),
});
export type GapEvent = Static<typeof GapEvent>;

/** event: end; the job has ended and every byte was sent */
export const EndEvent = strict({ job: Job });
export type EndEvent = Static<typeof EndEvent>;
