/** I8 of rates: fills the buckets of queues and keys anew from the events, and finds starts without a token. */
import type { Row } from '../database.ts';
import { integer, json, textOrNull } from '../statements/columns.ts';
import type { Findings } from './findings.ts';

interface Settings {
  readonly fairBy: string;
  readonly rateMax: number | null;
  readonly ratePerMs: number | null;
  readonly keyRateMax: number | null;
  readonly keyRatePerMs: number | null;
}

interface Told extends Partial<Settings> {
  readonly queue?: string;
  /** Only once all jobs are in their lines. */
  readonly inLines?: number;
}

interface Rated {
  readonly settings: Settings;
  /** Before, claims do not ask for tokens of keys. */
  readonly inLines: boolean;
}

/** Events of one process may be told in another order than their times by less than this. */
const disorderMs = 1_000;

/** Is given the events of queues and claims in their order. Its memory grows with the keys of queues with a rate. */
export class RateReplay {
  readonly #found: Findings;
  readonly #queues = new Map<string, Rated>();
  /** When each bucket is full again, in units of 1/max ms. */
  readonly #buckets = new Map<string, bigint>();
  #newestMs = 0;

  constructor(found: Findings) {
    this.#found = found;
  }

  /** Another rate begins with full buckets; other lines have to be formed first. */
  changed(event: Row): void {
    const { queue, inLines, ...told } = json<Told>(event, 'data');
    if (queue === undefined) return;
    const {
      fairBy = 'none',
      rateMax = null,
      ratePerMs = null,
      keyRateMax = null,
      keyRatePerMs = null,
    } = told;
    const settings = { fairBy, rateMax, ratePerMs, keyRateMax, keyRatePerMs };
    const before = this.#queues.get(queue);
    const sameLines = before !== undefined && linesBy(before.settings) === linesBy(settings);
    this.#queues.set(queue, { settings, inLines: inLines === 1 || (sameLines && before.inLines) });
    if (before === undefined) return;
    const isSame = sameRates(before.settings, settings);
    for (const place of this.#buckets.keys())
      if (place.startsWith(`${queue}\n`) && !(place === `${queue}\n` ? isSame.queue : isSame.key))
        this.#buckets.delete(place);
  }

  /** It has no rate from now on, and one that is set later begins with full buckets. */
  deleted(event: Row): void {
    const { queue } = json<Told>(event, 'data');
    if (queue === undefined) return;
    this.#queues.delete(queue);
    for (const place of this.#buckets.keys()) if (place.startsWith(`${queue}\n`)) this.#buckets.delete(place);
  }

  /** What was full by the clock before may have been forgotten as full, and what was empty is as by the clock now. */
  clockSetBack(): void {
    this.#buckets.clear();
  }

  /** Jobs since forgotten have no queue here, and are left out. */
  claimed(event: Row): void {
    const [queue, key] = [textOrNull(event, 'queue'), textOrNull(event, 'concurrency_key')];
    const atMs = integer(event, 'at_ms');
    if (atMs < this.#newestMs - disorderMs) this.clockSetBack();
    this.#newestMs = atMs < this.#newestMs - disorderMs ? atMs : Math.max(atMs, this.#newestMs);
    const known = this.#queues.get(queue ?? '');
    if (known === undefined) return;
    const { rateMax, ratePerMs, keyRateMax, keyRatePerMs } = known.settings;
    this.#take(`${queue}\n`, atMs, rateMax, ratePerMs);
    if (key !== null && known.inLines) this.#take(`${queue}\n${key}`, atMs, keyRateMax, keyRatePerMs);
  }

  /** A claim was given back unstarted: what of its tokens had not flowed in since is there again. */
  givenBack(event: Row, claimedAtMs: number): void {
    const [queue, key] = [textOrNull(event, 'queue'), textOrNull(event, 'concurrency_key')];
    const known = this.#queues.get(queue ?? '');
    if (known === undefined) return;
    const passedMs = Math.max(0, integer(event, 'at_ms') - claimedAtMs);
    const { rateMax, ratePerMs, keyRateMax, keyRatePerMs } = known.settings;
    this.#return(`${queue}\n`, passedMs, rateMax, ratePerMs);
    if (key !== null) this.#return(`${queue}\n${key}`, passedMs, keyRateMax, keyRatePerMs);
  }

  #return(place: string, passedMs: number, max: number | null, perMs: number | null): void {
    const before = this.#buckets.get(place);
    if (before === undefined || max === null || perMs === null) return;
    this.#buckets.set(place, before - BigInt(Math.max(0, perMs - passedMs * max)));
  }

  #take(place: string, atMs: number, max: number | null, perMs: number | null): void {
    if (max === null || perMs === null) return;
    const now = BigInt(atMs) * BigInt(max);
    const before = this.#buckets.get(place) ?? 0n;
    const after = (before > now ? before : now) + BigInt(perMs);
    this.#buckets.set(place, after);
    if (after <= now + BigInt(perMs) * BigInt(max)) return;
    const row = `${JSON.stringify(place)} had no token of ${max} in ${perMs} ms for a claim at ${atMs}`;
    this.#found.violated('I8', 'a queue or a key was over its rate', row);
  }
}

function linesBy({ fairBy, keyRateMax }: Settings): string {
  return keyRateMax === null ? fairBy : 'key';
}

function sameRates(a: Settings, b: Settings): { readonly queue: boolean; readonly key: boolean } {
  return {
    queue: a.rateMax === b.rateMax && a.ratePerMs === b.ratePerMs,
    key: a.keyRateMax === b.keyRateMax && a.keyRatePerMs === b.keyRatePerMs,
  };
}
