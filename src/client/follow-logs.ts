/** Following the logs of a job until it has ended: one stream that survives lost connections. */

import type { Job } from '../contract/job.ts';
import type { LogStream } from '../contract/log.ts';
import type { EndEvent, GapEvent, LogEvent } from '../contract/log-events.ts';
import { invalid } from './answer.ts';
import { type FollowDeps, followStream } from './follow-stream.ts';
import type { SseMessage } from './sse.ts';
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

/** Every byte once and in order, also over lost connections; see `BlixardClient.followLogs`. */
export async function* followLogs(
  deps: FollowDeps,
  jobId: string,
  { attempt, signal }: FollowOptions,
): AsyncGenerator<FollowEvent> {
  const request = wireRequestOf('readLogs', { params: { id: jobId }, query: { follow: true, attempt } });
  for await (const message of followStream(deps, { request, signal })) {
    const event = eventOf(message, deps.transport.url);
    if (event !== undefined) yield event;
    if (event?.kind === 'end') return;
  }
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
