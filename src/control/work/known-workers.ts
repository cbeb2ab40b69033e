/** What the store told last of live workers: what they take, and by which claim; read anew where it has changed. */
import type { WorkReply } from '../../contract/worker.ts';
import type { Row } from '../../store/database.ts';
import { text } from '../../store/statements/columns.ts';
import { type Offers, offersOf } from './waiting-room.ts';

/**
 * Which claim finds all that a worker may have: that of its one pair of queue and executor, that of any pairs, or that
 * of queues with lines or a rate. Each of them finds what those before it find, and costs more.
 */
export type ClaimWay = 'pair' | 'any' | 'shaped';

const reach: Readonly<Record<ClaimWay, number>> = { pair: 0, any: 1, shaped: 2 };

/** Whether a claim of this way may have missed what the worker could have had. */
export function fellShort(way: ClaimWay, needed: ClaimWay): boolean {
  return reach[way] < reach[needed];
}

interface Known {
  readonly queues: string;
  readonly executors: string;
  readonly state: WorkReply['state'];
  readonly way: ClaimWay;
  readonly offers: Offers;
}

/** At most one entry per live worker; wrong for one turn after a change. */
export class KnownWorkers {
  readonly #known = new Map<string, Known>();

  /** Of a worker that is not known, the claim that finds all. */
  wayOf(workerId: string): ClaimWay {
    return this.#known.get(workerId)?.way ?? 'shaped';
  }

  /** Takes the row of a lease. */
  told(workerId: string, row: Row, state: WorkReply['state']): Pick<Known, 'way' | 'offers'> {
    const queues = text(row, 'queues');
    const executors = text(row, 'executors');
    const way = wayIn(row);
    const known = this.#known.get(workerId);
    const isAsBefore =
      known?.queues === queues && known.executors === executors && known.state === state && known.way === way;
    if (isAsBefore) return known;
    const now = { queues, executors, state, way, offers: offersOf(row, state) };
    this.#known.set(workerId, now);
    return now;
  }

  /** A worker is gone. */
  forget(workerId: string): void {
    this.#known.delete(workerId);
  }
}

function wayIn(row: Row): ClaimWay {
  const way = text(row, 'way');
  return way === 'pair' || way === 'any' ? way : 'shaped';
}
