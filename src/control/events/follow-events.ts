/** The events as they happen, as server-sent events, from a place among them for as long as somebody follows. */
import { defaults } from '../../domain/defaults.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import { sseComment, sseEvent } from '../sse.ts';
import { Wakeup } from '../wakeup.ts';
import type { EventFeed } from './event-feed.ts';
import { type EventFilter, type StoredEvent, wireEventOf } from './filter.ts';

/** What following works with. */
export interface FollowEventsDeps {
  readonly events: EventFeed;
  readonly clock: Clock;
}

/**
 * Text of events, each with its number as id. In silence, and when many events were passed over, a comment
 * carries the number to go on from. Reads on only when what it gave was taken; ends when `signal` aborts, and when
 * events it was to give are not kept any more.
 */
export async function* followEvents(
  { events: feed, clock }: FollowEventsDeps,
  filter: EventFilter,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const wakeup = new Wakeup({ clock, signal });
  const stopListening = feed.onAppended(() => wakeup.wake());
  let position = after;
  let toldPosition = after;
  let toldAtMs = clock.monotonicMs();
  const tell = (text: string): string => {
    toldPosition = position;
    toldAtMs = clock.monotonicMs();
    return text;
  };
  try {
    // Sends the headers at once.
    yield tell(sseComment('following', String(position)));
    while (!signal.aborted) {
      const stretch = await feed.read(filter, position, limits.eventPage);
      // Events were forgotten before they were taken: who comes back with the place is told so.
      if (stretch.goneBefore !== null) return;
      position = stretch.position;
      if (stretch.events.length > 0) yield tell(textOf(stretch.events));
      else if (position - toldPosition >= limits.eventPage)
        yield tell(sseComment('passed over', String(position)));
      if (stretch.more) continue;
      const leftMs = defaults.followHeartbeatMs - (clock.monotonicMs() - toldAtMs);
      const why = await wakeup.next(Math.max(0, leftMs));
      if (why === 'silence') yield tell(sseComment('still here', String(position)));
    }
  } finally {
    stopListening();
  }
}

function textOf(events: readonly StoredEvent[]): string {
  return events.map((event) => sseEvent('event', wireEventOf(event), String(event.seq))).join('');
}
