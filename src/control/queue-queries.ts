/** What can be asked of queues; the totals are those the writes keep, no job is counted. */
import type { Queue, QueuePage, QueueStats } from '../contract/queue.ts';
import type { QueryOf } from '../contract/routes.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { heldStates } from '../domain/job.ts';
import type { Database } from '../store/database.ts';
import { integerOrNull, text } from '../store/statements/columns.ts';
import {
  countsAfter,
  countsOfQueue,
  queueByName,
  queuesAfter,
  timesOfQueue,
} from '../store/statements/queues.ts';
import { cursorOf, nameOf } from './cursor.ts';
import { queueOf } from './queue-rows.ts';

/** Whether it has settings or jobs. */
export function isThere({ updatedAtMs, counts }: Queue): boolean {
  return updatedAtMs !== null || Object.keys(counts).length > 0;
}

/** The questions. Each may also reject with STORE_UNAVAILABLE. */
export class QueueQueries {
  readonly #db: Database;

  constructor(deps: { db: Database }) {
    this.#db = deps.db;
  }

  /** A page of queues that have settings or jobs, by name. Throws VALIDATION_FAILED for a bad cursor. */
  async list(query: QueryOf<'listQueues'> = {}): Promise<QueuePage> {
    const { limit = defaults.pageSize, cursor } = query;
    const after = cursor === undefined ? '' : nameOf('queues', cursor);
    const settings = await this.#db.query(queuesAfter.with({ after, limit }));
    const counts = await this.#db.query(countsAfter.with({ after, limit }));
    const byName = new Map(settings.map((row) => [text(row, 'name'), row]));
    const countsByName = new Map(counts.map((row) => [text(row, 'queue'), row]));
    const names = [...new Set([...byName.keys(), ...countsByName.keys()])].sort();
    const page = names.slice(0, limit);
    const full = names.length > limit || settings.length === limit || counts.length === limit;
    const last = full ? page.at(-1) : undefined;
    return {
      queues: page.map((name) => queueOf(name, byName.get(name), countsByName.get(name))),
      nextCursor: last === undefined ? null : cursorOf('queues', last),
    };
  }

  /** Throws QUEUE_NOT_FOUND for one without settings and without jobs. */
  async get(name: string): Promise<Queue> {
    const queue = await this.read(name);
    if (isThere(queue)) return queue;
    throw new BlixardError('QUEUE_NOT_FOUND', { queue: name });
  }

  /**
   * Throws QUEUE_NOT_FOUND for one that has no settings and never had a job; one whose jobs are all forgotten is known
   * until the events that told so are forgotten, too.
   */
  async assertKnown(name: string): Promise<void> {
    const [settings] = await this.#db.query(queueByName.with({ name }), { level: 'linearizable' });
    const [counts] = await this.#db.query(countsOfQueue.with({ name }), { level: 'linearizable' });
    if (settings === undefined && counts === undefined)
      throw new BlixardError('QUEUE_NOT_FOUND', { queue: name });
  }

  /** The queue, with the defaults where nothing is known of it. */
  async read(name: string): Promise<Queue> {
    const [settings] = await this.#db.query(queueByName.with({ name }), { level: 'linearizable' });
    const [counts] = await this.#db.query(countsOfQueue.with({ name }));
    return queueOf(name, settings, counts);
  }

  /** How a queue is doing. Throws QUEUE_NOT_FOUND. */
  async stats(name: string): Promise<QueueStats> {
    const { paused, counts, concurrencyMax } = await this.get(name);
    const [times] = await this.#db.query(timesOfQueue.with({ name }));
    const timeOf = (column: string): number | null =>
      times === undefined ? null : integerOrNull(times, column);
    return {
      name,
      paused,
      counts,
      held: heldStates.reduce((sum, state) => sum + (counts[state] ?? 0), 0),
      concurrencyMax,
      oldestPendingAtMs: timeOf('oldest_pending_at_ms'),
      lastCompletedAtMs: timeOf('last_completed_at_ms'),
      lastFailedAtMs: timeOf('last_failed_at_ms'),
    };
  }
}
