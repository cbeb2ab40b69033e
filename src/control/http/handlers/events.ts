/** Handler of events: one page of them, or all as they happen. */
import type { EventPage } from '../../../contract/job.ts';
import type { QueryOf } from '../../../contract/routes.ts';
import { defaults } from '../../../domain/defaults.ts';
import { cursorOf, seqOf } from '../../cursor.ts';
import { assertKinds } from '../../events/assert-kinds.ts';
import type { EventFeed } from '../../events/event-feed.ts';
import type { EventFilter } from '../../events/filter.ts';
import { wireEventOf } from '../../events/filter.ts';
import { followEvents } from '../../events/follow-events.ts';
import { Followers } from '../followers.ts';
import { badValue } from '../validation.ts';
import type { AppDeps, Call, Handlers, StreamReply } from './handler.ts';

type EventQuery = QueryOf<'listEvents'>;

/** Pages and followers; counts followers against `limits.followersMax`. */
export function eventHandlers(deps: AppDeps): Pick<Handlers, 'listEvents'> {
  const { events, queries, log } = deps;
  const followers = new Followers({ of: 'events', log });

  const filterOf = async ({ kind, queue, job }: EventQuery): Promise<EventFilter> => ({
    ...(kind === undefined ? {} : { kinds: [kind] }),
    ...(queue === undefined ? {} : { queue }),
    ...(job === undefined ? {} : { jobId: (await queries.get(job)).id }),
  });

  const page = async (filter: EventFilter, after: number, query: EventQuery): Promise<StreamReply> => {
    const found = await events.page(filter, after, query.limit ?? defaults.pageSize);
    const answer: EventPage = {
      events: found.events.map(wireEventOf),
      nextCursor: found.more ? cursorOf('events', found.position) : null,
    };
    return { headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(answer) };
  };

  return {
    listEvents: async (call) => {
      assertKinds([call.query.kind ?? ''], () => 'kind');
      const filter = await filterOf(call.query);
      const after = await placeOf(call, events);
      if (call.query.follow === false) return page(filter, after, call.query);
      await events.assertKept(filter, after);
      return followers.reply(followEvents(deps, filter, after, call.signal));
    },
  };
}

/**
 * Where to start: after what the client had last, else where it asks for, else now for followers and at the
 * oldest event for pages. Throws VALIDATION_FAILED for a place that only another store can have named.
 */
async function placeOf({ query, lastEventId }: Call<'listEvents'>, events: EventFeed): Promise<number> {
  const newest = await events.newest();
  if (lastEventId !== undefined) return within('last-event-id', lastEventId, newest);
  if (query.cursor !== undefined) return seqOf('events', query.cursor);
  if (query.after !== undefined) return within('after', String(query.after), newest);
  if (query.last !== undefined) {
    const place = newest - query.last;
    return place < (await events.oldest()) ? 0 : place;
  }
  return query.follow === false ? 0 : newest;
}

function within(field: string, text: string, newest: number): number {
  const seq = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (seq <= newest) return seq;
  throw badValue(field, text, `the number of an event; the newest one is ${newest}`);
}
