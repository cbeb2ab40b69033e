/** What the model knows of rates: buckets that hold tokens, into which time pours and from which claims take. */
import type { QueueSettings, RateLimit } from '../../contract/queue.ts';
import type { ModelJob } from './model-parts.suite.ts';

/** A bucket holds what makes `max` tokens; each ms brings `max` of the parts of which `perMs` make a token. */
class Bucket {
  readonly #rate: RateLimit;
  #parts: number;
  #atMs: number;
  /** Its last token was taken, and the scheduler has not seen the next one yet. */
  isClosed = false;

  constructor(rate: RateLimit, nowMs: number) {
    this.#rate = rate;
    this.#parts = rate.max * rate.perMs;
    this.#atMs = nowMs;
  }

  /** Parts it has now, and whether it is closed. */
  state(nowMs: number): readonly [number, boolean] {
    this.tokens(nowMs);
    return [this.#parts, this.isClosed];
  }

  tokens(nowMs: number): number {
    const { max, perMs } = this.#rate;
    this.#parts = Math.min(max * perMs, this.#parts + (nowMs - this.#atMs) * max);
    this.#atMs = nowMs;
    return Math.floor(this.#parts / perMs);
  }

  take(nowMs: number): void {
    this.tokens(nowMs);
    this.#parts -= this.#rate.perMs;
    if (this.tokens(nowMs) < 1) this.isClosed = true;
  }

  /** What of that token has not flowed in since. */
  giveBack(takenAtMs: number, nowMs: number): void {
    const { max, perMs } = this.#rate;
    this.tokens(nowMs);
    this.#parts += Math.max(0, perMs - (nowMs - takenAtMs) * max);
    this.open(nowMs);
  }

  open(nowMs: number): void {
    if (this.tokens(nowMs) >= 1) this.isClosed = false;
  }
}

interface Rated {
  readonly rate: RateLimit | null;
  readonly sinceMs: number;
  /** By key; that of a queue has none. */
  readonly buckets: Map<string, Bucket>;
}

/** Of all queues, and of the keys of those that have a rate for each. */
export class Rates {
  readonly #ofQueue = new Map<string, Rated>();
  readonly #ofKeys = new Map<string, Rated>();

  /** A rate that is the same as before keeps its buckets. */
  set(queue: string, { rateLimit, rateLimitPerKey }: QueueSettings, nowMs: number): void {
    for (const [all, rate] of [
      [this.#ofQueue, rateLimit],
      [this.#ofKeys, rateLimitPerKey],
    ] as const) {
      const before = all.get(queue)?.rate ?? null;
      if (before?.max !== rate?.max || before?.perMs !== rate?.perMs)
        all.set(queue, { rate, sinceMs: nowMs, buckets: new Map() });
    }
  }

  tokens(queue: string, nowMs: number): number {
    return bucketOf(this.#ofQueue.get(queue), '', nowMs)?.tokens(nowMs) ?? Number.POSITIVE_INFINITY;
  }

  /** None while it is closed. */
  tokensOfKey(queue: string, key: string | undefined, nowMs: number): number {
    if (key === undefined) return Number.POSITIVE_INFINITY;
    const bucket = bucketOf(this.#ofKeys.get(queue), key, nowMs);
    if (bucket?.isClosed) return 0;
    return bucket?.tokens(nowMs) ?? Number.POSITIVE_INFINITY;
  }

  /** Of a queue, or of a key in it. */
  isClosed(queue: string, key?: string): boolean {
    const rated = key === undefined ? this.#ofQueue.get(queue) : this.#ofKeys.get(queue);
    return rated?.buckets.get(key ?? '')?.isClosed ?? false;
  }

  take(job: ModelJob, nowMs: number): void {
    for (const { bucket } of this.#bucketsFor(job, nowMs)) bucket.take(nowMs);
  }

  /** A token of a rate that has been changed since is gone with its bucket. */
  giveBack(job: ModelJob, nowMs: number): void {
    const takenAtMs = job.claimedAtMs ?? nowMs;
    for (const { bucket, sinceMs } of this.#bucketsFor(job, nowMs))
      if (takenAtMs > sinceMs) bucket.giveBack(takenAtMs, nowMs);
  }

  /** All that are not full, as `queue/key`. */
  levels(nowMs: number): Record<string, readonly [number, boolean]> {
    const levels: Record<string, readonly [number, boolean]> = {};
    for (const all of [this.#ofQueue, this.#ofKeys])
      for (const [queue, { rate, buckets }] of all)
        for (const [key, bucket] of buckets) {
          const [parts, isClosed] = bucket.state(nowMs);
          if (isClosed || parts < (rate?.max ?? 0) * (rate?.perMs ?? 0))
            levels[`${queue}/${key}`] = [parts, isClosed];
        }
    return levels;
  }

  /** What the scheduler does when it looks. */
  open(nowMs: number): void {
    for (const rated of [...this.#ofQueue.values(), ...this.#ofKeys.values()])
      for (const bucket of rated.buckets.values()) bucket.open(nowMs);
  }

  #bucketsFor({ queue, key }: ModelJob, nowMs: number): { bucket: Bucket; sinceMs: number }[] {
    const places = [
      { rated: this.#ofQueue.get(queue), name: '' },
      ...(key === undefined ? [] : [{ rated: this.#ofKeys.get(queue), name: key }]),
    ];
    return places.flatMap(({ rated, name }) => {
      const bucket = bucketOf(rated, name, nowMs);
      return rated === undefined || bucket === undefined ? [] : [{ bucket, sinceMs: rated.sinceMs }];
    });
  }
}

function bucketOf(rated: Rated | undefined, key: string, nowMs: number): Bucket | undefined {
  if (rated === undefined || rated.rate === null) return undefined;
  const bucket = rated.buckets.get(key) ?? new Bucket(rated.rate, nowMs);
  rated.buckets.set(key, bucket);
  return bucket;
}
