/** Replays all events in the order in which they happened: who held what, under which limits, as which generation. */
import type { Row } from '../database.ts';
import { integer, integerOrNull, json, text, textOrNull } from '../statements/columns.ts';
import type { Findings } from './findings.ts';
import { eventsOf, queuesOf, type StoreReader, workersOf } from './reads.ts';
import { isStepless } from './replay-jobs.ts';
import { RateReplay } from './replay-rates.ts';

interface Limits {
  readonly paused: number;
  readonly concurrencyMax: number | null;
  readonly concurrencyMaxPerKey: number | null;
}

interface Told extends Partial<Limits> {
  readonly queue?: string;
  readonly generation?: number;
  readonly reason?: string | null;
  readonly from?: string;
}

interface KnownWorker {
  readonly generation: number;
  readonly state: string;
}

interface Held {
  readonly attempt: number | null;
  readonly workerId: string | null;
  readonly generation: number | undefined;
  /** When it was claimed. */
  readonly atMs: number;
  /** Queue, and key in it; none for a job since forgotten. */
  readonly places: readonly string[];
}

/** Ends that need no holder: its lease was over, or a user cancelled what was not started. */
const withoutHolder: ReadonlySet<string> = new Set(['worker_lost', 'cancelled']);
const noLimits: Limits = { paused: 0, concurrencyMax: null, concurrencyMaxPerKey: null };

/** I5 and I8, and I9 of workers and queues. Its memory grows with what is held at one time, workers and queues. */
export class OrderReplay {
  readonly #found: Findings;
  readonly #wholeStory: boolean;
  readonly #workers = new Map<string, KnownWorker>();
  readonly #limits = new Map<string, Limits>();
  readonly #held = new Map<string, Held>();
  readonly #inPlace = new Map<string, number>();
  readonly #rates: RateReplay;
  readonly #clockSetBackAfter: number[];

  constructor(found: Findings, wholeStory: boolean, clockSetBackAfter: readonly number[] = []) {
    this.#found = found;
    this.#wholeStory = wholeStory;
    this.#rates = new RateReplay(found);
    this.#clockSetBackAfter = [...clockSetBackAfter];
  }

  /** Reads all events, then compares with the workers and queues that are stored. */
  async run(store: StoreReader): Promise<void> {
    for await (const event of eventsOf(store)) this.#take(event);
    for await (const row of workersOf(store)) this.#compareWorker(row);
    for await (const row of queuesOf(store)) this.#compareQueue(row);
  }

  #take(event: Row): void {
    for (const seq = integer(event, 'seq'); seq > (this.#clockSetBackAfter[0] ?? seq); ) {
      this.#clockSetBackAfter.shift();
      this.#rates.clockSetBack();
    }
    const [noun, step = ''] = text(event, 'kind').split('.');
    if (noun === 'job') this.#job(event, step);
    else if (noun === 'worker') this.#worker(event, step);
    else if (noun === 'queue') {
      this.#queue(json<Told>(event, 'data'), step);
      if (step === 'deleted') this.#rates.deleted(event);
      else this.#rates.changed(event);
    }
  }

  #job(event: Row, step: string): void {
    if (isStepless(step)) return;
    const id = text(event, 'job_id');
    if (step === 'claimed') this.#claimed(id, event);
    else if (step === 'running') this.#started(id, event);
    else this.#released(id, event);
  }

  #claimed(id: string, event: Row): void {
    const workerId = textOrNull(event, 'worker_id');
    const worker = this.#workers.get(workerId ?? '');
    if (worker !== undefined && worker.state !== 'online')
      this.#found.violated(
        'I5',
        'a worker that was not online claimed',
        `${placeOf(event)}: it was ${worker.state}`,
      );
    this.#release(id);
    const places = placesOf(event);
    const attempt = integerOrNull(event, 'attempt');
    const atMs = integer(event, 'at_ms');
    this.#held.set(id, { attempt, workerId, generation: worker?.generation, atMs, places });
    const [inQueue = 0, ofKey = 0] = places.map((place) => this.#add(place, 1));
    this.#checkLimits(event, inQueue, ofKey);
    this.#rates.claimed(event);
  }

  #checkLimits(event: Row, inQueue: number, ofKey: number): void {
    const queue = textOrNull(event, 'queue');
    const { concurrencyMax, concurrencyMaxPerKey } = this.#limits.get(queue ?? '') ?? noLimits;
    if (concurrencyMax !== null && inQueue > concurrencyMax) {
      const row = `queue ${queue} held ${inQueue} jobs, ${concurrencyMax} are allowed`;
      this.#found.violated('I8', 'a queue was over its limit', row);
    }
    if (concurrencyMaxPerKey !== null && ofKey > concurrencyMaxPerKey) {
      const row = `key ${queue} ${event['concurrency_key']} held ${ofKey} jobs, ${concurrencyMaxPerKey} are allowed`;
      this.#found.violated('I8', 'a key was over its limit', row);
    }
  }

  #started(id: string, event: Row): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    const sameHolder =
      held.workerId === textOrNull(event, 'worker_id') && held.attempt === integerOrNull(event, 'attempt');
    if (!sameHolder || !this.#isInForce(held))
      this.#found.violated('I5', 'an older holder started an attempt', placeOf(event));
  }

  #released(id: string, event: Row): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    const { reason = null, from } = json<Told>(event, 'data');
    const isGivenBack = from === 'claimed' && reason === null && text(event, 'kind') === 'job.pending';
    if (isGivenBack) this.#rates.givenBack(event, held.atMs);
    if (!withoutHolder.has(reason ?? '') && !this.#isInForce(held))
      this.#found.violated('I5', 'an older holder ended an attempt', `${placeOf(event)}: ${reason}`);
    this.#release(id);
  }

  /** Its holder is still of the generation that claimed it, and has not lost its lease. */
  #isInForce({ workerId, generation }: Held): boolean {
    const worker = this.#workers.get(workerId ?? '');
    if (worker === undefined || generation === undefined) return true;
    return worker.generation === generation && worker.state !== 'offline';
  }

  #release(id: string): void {
    for (const place of this.#held.get(id)?.places ?? []) this.#add(place, -1);
    this.#held.delete(id);
  }

  #add(place: string, change: number): number {
    const count = (this.#inPlace.get(place) ?? 0) + change;
    if (count === 0) this.#inPlace.delete(place);
    else this.#inPlace.set(place, count);
    return count;
  }

  #worker(event: Row, step: string): void {
    const { generation } = json<Told>(event, 'data');
    if (generation === undefined) return;
    const state = step === 'registered' ? 'online' : step;
    this.#workers.set(text(event, 'worker_id'), { generation, state });
  }

  #queue(
    { queue, paused = 0, concurrencyMax = null, concurrencyMaxPerKey = null }: Told,
    step: string,
  ): void {
    if (queue === undefined) return;
    if (step === 'deleted') this.#limits.delete(queue);
    else this.#limits.set(queue, { paused, concurrencyMax, concurrencyMaxPerKey });
  }

  #compareWorker(row: Row): void {
    const id = text(row, 'id');
    const told = this.#workers.get(id);
    if (told === undefined && !this.#wholeStory) return;
    const stored = { generation: integer(row, 'generation'), state: text(row, 'state') };
    if (told?.generation !== stored.generation || told.state !== stored.state)
      this.#found.violated(
        'I9',
        'the events of a worker lead elsewhere',
        `worker ${id} is ${JSON.stringify(stored)}, told was ${JSON.stringify(told)}`,
      );
  }

  #compareQueue(row: Row): void {
    const name = text(row, 'name');
    const told = this.#limits.get(name);
    if (told === undefined && !this.#wholeStory) return;
    const same =
      told?.paused === row['paused'] &&
      told?.concurrencyMax === row['concurrency_max'] &&
      told?.concurrencyMaxPerKey === row['key_concurrency_max'];
    if (!same)
      this.#found.violated(
        'I9',
        'the events of a queue lead elsewhere',
        `queue ${name} is ${JSON.stringify(row)}, told was ${JSON.stringify(told)}`,
      );
  }
}

function placesOf(event: Row): readonly string[] {
  const queue = textOrNull(event, 'queue');
  if (queue === null) return [];
  const key = textOrNull(event, 'concurrency_key');
  return key === null ? [queue] : [queue, `${queue} ${key}`];
}

function placeOf(event: Row): string {
  const { seq, job_id: id, attempt, worker_id: workerId } = event;
  return `event ${seq}, attempt ${attempt} of job ${id} at worker ${workerId}`;
}
