/** Following everything that happens: one stream of events without a gap. */
import type { JobEvent } from '../contract/job.ts';
import { invalid } from './answer.ts';
import { type FollowDeps, followStream } from './follow-stream.ts';
import type { SseMessage } from './sse.ts';
import { wireRequestOf } from './wire.ts';

/** Which events, and from where. */
export interface FollowEventsOptions {
  /** The kind of event or its start, for example `job.` or `job.completed`. */
  readonly kind?: string;
  /** Events of jobs of this queue. */
  readonly queue?: string;
  /** Id of a job, or a unique start of it. */
  readonly job?: string;
  /** Start after the event of this number; by default with what happens from now on. */
  readonly after?: number;
  /** Start so many events before the newest. */
  readonly last?: number;
  readonly signal?: AbortSignal;
}

/** Every event once and in order, also over lost connections; see `BlixardClient.followEvents`. */
export async function* followEvents(
  deps: FollowDeps,
  options: FollowEventsOptions,
): AsyncGenerator<JobEvent> {
  const { signal, ...query } = options;
  const request = wireRequestOf('listEvents', { query: { ...query, follow: true } });
  for await (const message of followStream(deps, { request, signal })) {
    if (message.event === 'event') yield eventOf(message, deps.transport.url);
  }
}

function eventOf({ data }: SseMessage, url: string): JobEvent {
  try {
    const event: JobEvent = JSON.parse(data);
    return event;
  } catch (error) {
    throw invalid(url, 'an event that is not JSON', error);
  }
}
