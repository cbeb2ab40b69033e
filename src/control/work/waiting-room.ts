/** Where work calls wait for jobs: wakes as many as new jobs need, the one that waits longest first. */
import type { WorkReply } from '../../contract/worker.ts';
import type { Row } from '../../store/database.ts';
import { json } from '../../store/statements/columns.ts';

/** What a worker takes: a job of one of these queues with one of these executors. */
export interface Offers {
  readonly queues: ReadonlySet<string>;
  readonly executors: ReadonlySet<string>;
}

/** A draining worker takes nothing, and must not be woken in place of one that does. */
export function offersOf(row: Row, state: WorkReply['state']): Offers {
  if (state === 'draining') return { queues: new Set(), executors: new Set() };
  const executors = json<{ name: string; unavailable: string | null }[]>(row, 'executors');
  return {
    queues: new Set(json<string[]>(row, 'queues')),
    executors: new Set(executors.filter((offer) => offer.unavailable === null).map((offer) => offer.name)),
  };
}

/** What a seat is woken for; an executor of null is any. */
interface Called {
  readonly queue: string;
  readonly executor: string | null;
}

/**
 * The place of one work call. It is busy while it claims and rests while it waits; news that come while it
 * is busy make it claim once more, so none is missed between a claim that found nothing and the rest after
 * it.
 */
export class Seat {
  readonly workerId: string;
  readonly want: number;
  /** Unknown until the store has told them; then it may be woken for anything. */
  offers: Offers | undefined;
  #over = false;
  #again = false;
  #wokenFor: Called | undefined;
  #wake: (() => void) | undefined;

  constructor(workerId: string, want: number) {
    this.workerId = workerId;
    this.want = want;
  }

  /** True when the call should answer with what it has. */
  get over(): boolean {
    return this.#over;
  }

  /** Jobs it was woken for and has not tried to claim. */
  get owed(): Called | undefined {
    return this.#wokenFor;
  }

  takes({ queue, executor }: Called): boolean {
    if (this.want === 0 || this.#over) return false;
    if (this.offers === undefined) return true;
    return this.offers.queues.has(queue) && (executor === null || this.offers.executors.has(executor));
  }

  /** A claim is handed to the store now; what was told before is in it. */
  claims(): void {
    this.#again = false;
    this.#wokenFor = undefined;
  }

  /** Something to look at: claim again, or wake up and do so. */
  call(job?: Called): void {
    this.#again = true;
    this.#wokenFor = job ?? this.#wokenFor;
    this.#wake?.();
  }

  /** The call has waited long enough, or nobody reads its answer any more. */
  end(): void {
    this.#over = true;
    this.#wake?.();
  }

  /** Resolves when called or ended; at once when that has happened since the last claim. */
  async rest(): Promise<void> {
    if (this.#again || this.#over) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

/** The seats of all workers of this process; one per worker. */
export class WaitingRoom {
  readonly #seats = new Map<string, Seat>();
  readonly #busy = new Set<Seat>();
  /** In the order in which they began to rest. */
  readonly #resting = new Set<Seat>();

  /** A seat for a new call; an older call of the same worker ends. */
  enter(workerId: string, want: number): Seat {
    this.#seats.get(workerId)?.end();
    const seat = new Seat(workerId, want);
    this.#seats.set(workerId, seat);
    this.#busy.add(seat);
    return seat;
  }

  leave(seat: Seat): void {
    this.#busy.delete(seat);
    this.#resting.delete(seat);
    if (this.#seats.get(seat.workerId) === seat) this.#seats.delete(seat.workerId);
    // It was woken for a job and leaves without a claim: another one must look.
    if (seat.owed !== undefined) this.ready(seat.owed, 1);
  }

  async rest(seat: Seat): Promise<void> {
    this.#busy.delete(seat);
    this.#resting.add(seat);
    await seat.rest();
    this.#resting.delete(seat);
    this.#busy.add(seat);
  }

  /** Everyone who wants jobs looks once more. */
  callAll(): void {
    for (const seat of this.#seats.values()) if (seat.want > 0) seat.call();
  }

  /** Wakes resting seats until the jobs are spoken for; if any are left over, busy seats look once more. */
  ready(called: Called, jobs: number): void {
    let left = jobs;
    for (const seat of this.#resting) {
      if (left <= 0) return;
      if (!seat.takes(called)) continue;
      left -= seat.want;
      this.#resting.delete(seat);
      this.#busy.add(seat);
      seat.call(called);
    }
    if (left <= 0) return;
    for (const seat of this.#busy) if (seat.takes(called)) seat.call();
  }
}
