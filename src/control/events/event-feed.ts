/** The gapless events of the store: read in bounded pages, and told of as soon as they are committed. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Log } from '../../platform/log.ts';
import type { Commits } from '../../store/commits.ts';
import type { Database, Row } from '../../store/database.ts';
import { integer, integerOrNull, textOrNull } from '../../store/statements/columns.ts';
import { eventBySeq, eventsBetween, eventsOfJob, newestEvent } from '../../store/statements/events.ts';
import type { Unsubscribe } from '../signals.ts';
import { eventOf } from '../views.ts';
import { type EventFilter, kindRange, passes, type StoredEvent } from './filter.ts';
import { eventsGone, goneBefore, oldestNumber } from './gone.ts';

/** Some events in order. */
export interface EventStretch {
  /** Those that pass the filter. */
  readonly events: readonly StoredEvent[];
  /** Everything up to this event was looked at. */
  readonly position: number;
  /** There may be more behind it now. */
  readonly more: boolean;
  /** Number of the oldest event that is kept, when some that were asked for are not; else null. */
  readonly goneBefore: number | null;
}

type Read = Omit<EventStretch, 'more'>;

/** One per control process. Each question may reject with STORE_UNAVAILABLE. */
export class EventFeed {
  readonly #db: Database;
  readonly #commits: Commits;
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  #stopListening: Unsubscribe | undefined;
  #told = -1;
  #isLooking = false;
  #lookAgain = false;

  constructor(deps: { db: Database; commits: Commits; log: Log }) {
    this.#db = deps.db;
    this.#commits = deps.commits;
    this.#log = deps.log;
  }

  /** Listeners now. */
  get listened(): number {
    return this.#listeners.size;
  }

  /** Number of the newest event; 0 when there is none. */
  async newest(): Promise<number> {
    const [row] = await this.#db.query(newestEvent.with({}), { level: 'linearizable' });
    return (row === undefined ? null : integerOrNull(row, 'seq')) ?? 0;
  }

  /** Number of the oldest event that is kept; 1 when there was none yet. */
  oldest(): Promise<number> {
    return oldestNumber(this.#db);
  }

  /** Throws EVENTS_GONE when some of the events after this one are not kept any more; 0 is before the oldest. */
  async assertKept({ jobId }: EventFilter, after: number): Promise<void> {
    const oldest = await goneBefore(this.#db, after, jobId);
    if (oldest !== null) throw eventsGone(after, oldest);
  }

  /** One event; undefined when it is not kept. */
  async one(seq: number): Promise<StoredEvent | undefined> {
    const [row] = await this.#db.query(eventBySeq.with({ seq }), { level: 'linearizable' });
    return row === undefined ? undefined : storedEventOf(row);
  }

  /** Looks at the next `limit` events after one; lets others take a turn when there are more. 0: from the oldest on. */
  async read(filter: EventFilter, asked: number, limit: number): Promise<EventStretch> {
    // Before the rows: what it counts is among them.
    const newest = await this.newest();
    if (newest <= asked) return { events: [], position: asked, more: false, goneBefore: null };
    const after = asked === 0 ? (await this.oldest()) - 1 : asked;
    const { jobId } = filter;
    const stretch =
      jobId === undefined
        ? await this.#between(filter, after, Math.min(after + limit, newest))
        : await this.#ofJob(jobId, filter, after, limit, newest);
    const more = stretch.position < newest;
    if (more) await nextTurn();
    return { ...stretch, goneBefore: asked === 0 ? null : stretch.goneBefore, more };
  }

  /**
   * Up to `limit` events that pass, looking at no more than `limits.eventScanMax`. Throws EVENTS_GONE, but not from 0
   * on: there it ends before those forgotten meanwhile when it has some, or else begins behind them.
   */
  async page(filter: EventFilter, after: number, limit: number): Promise<Omit<EventStretch, 'goneBefore'>> {
    const events: StoredEvent[] = [];
    let position = after;
    for (let scanned = 0; scanned < limits.eventScanMax; scanned += limits.eventPage) {
      const next = await this.read(filter, position, limits.eventPage);
      if (next.goneBefore !== null && after !== 0) throw eventsGone(position, next.goneBefore);
      if (next.goneBefore !== null && events.length > 0) break;
      const room = limit - events.length;
      events.push(...next.events.slice(0, room));
      const last = events.at(-1);
      if (next.events.length > room && last !== undefined) return { events, position: last.seq, more: true };
      position = next.position;
      if (!next.more) return { events, position, more: false };
    }
    return { events, position, more: true };
  }

  /** Calls `fn` soon after new events were committed. Costs nothing while nobody listens. */
  onAppended(fn: () => void): Unsubscribe {
    this.#listeners.add(fn);
    this.#stopListening ??= this.#commits.onCommit(() => void this.#look());
    return () => {
      this.#listeners.delete(fn);
      if (this.#listeners.size > 0) return;
      this.#stopListening?.();
      this.#stopListening = undefined;
    };
  }

  async #between(filter: EventFilter, after: number, until: number): Promise<Read> {
    const statement = eventsBetween.with({ after, until, ...kindRange(filter), queue: filter.queue ?? null });
    const rows = await this.#db.query(statement, { level: 'linearizable' });
    // After the rows: what is kept then was kept when they were read.
    const isWhole = rows.length === until - after;
    const gone = isWhole ? null : await goneBefore(this.#db, after);
    const position = Math.max(until, (gone ?? 1) - 1);
    return { events: passing(filter, rows), position, goneBefore: gone };
  }

  async #ofJob(
    jobId: string,
    filter: EventFilter,
    after: number,
    limit: number,
    newest: number,
  ): Promise<Read> {
    const statement = eventsOfJob.with({ jobId, after, limit });
    const rows = await this.#db.query(statement, { level: 'linearizable' });
    const last = rows.at(-1);
    const seen = last === undefined ? after : integer(last, 'seq');
    const position = rows.length === limit ? seen : Math.max(seen, newest);
    const gone = await goneBefore(this.#db, after, jobId);
    return { events: passing(filter, rows), position, goneBefore: gone };
  }

  /** Most commits of an idle system only renew leases: one look finds out for all listeners. */
  async #look(): Promise<void> {
    this.#lookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (this.#lookAgain) {
      this.#lookAgain = false;
      if (await this.#hasNew()) for (const fn of [...this.#listeners]) fn();
    }
    this.#isLooking = false;
  }

  /** True when it cannot be known, too: a listener then reads for itself, and sees the failure. */
  async #hasNew(): Promise<boolean> {
    try {
      const newest = await this.newest();
      const isNew = newest !== this.#told;
      this.#told = newest;
      return isNew;
    } catch (error) {
      this.#log.warn({ err: error }, `events: ${problemOf(error)}`);
      return true;
    }
  }
}

function passing(filter: EventFilter, rows: readonly Row[]): StoredEvent[] {
  return rows.map(storedEventOf).filter((event) => passes(filter, event));
}

function storedEventOf(row: Row): StoredEvent {
  return { ...eventOf(row), queue: textOrNull(row, 'queue') };
}
