/** What the model knows of a webhook: which events are due to it, in which order, and what each try has come to. */
import type { Delivery } from '../../contract/webhook.ts';
import type { StoredEvent } from '../events/filter.ts';
import type { Model } from './model.suite.ts';

/** What its user sets. */
export interface HookSettings {
  readonly kinds: readonly string[];
  readonly queue: string | null;
  readonly paused: boolean;
}

/** A row of the log of deliveries. */
export interface ModelDelivery {
  readonly kind: string;
  readonly eventSeq: number | null;
  state: Delivery['state'];
  tries: number;
}

/** As documented. */
const triesMax = 8;

export class ModelHook {
  settings: HookSettings;
  /** Every event up to this one is done with. */
  seq: number;
  /** What it is trying again. */
  retry: { readonly row: ModelDelivery; tries: number; nextAtMs: number } | undefined;
  /** Oldest first. */
  readonly log: ModelDelivery[] = [];
  #isNew = true;

  constructor(settings: HookSettings, seq: number) {
    this.settings = settings;
    this.seq = seq;
  }

  set(settings: HookSettings): void {
    this.settings = settings;
    this.beginAnew();
  }

  /** It counts the tries of its retry from the log. */
  beginAnew(): void {
    this.#isNew = true;
    if (this.retry !== undefined) this.retry.tries = this.retry.row.tries;
  }

  /** Delivers all it can of these events; gives those it tries. When the next try comes is chance. */
  deliver(model: Model, events: readonly StoredEvent[], nowMs: number, isDown: boolean): number[] {
    if (this.settings.paused) return [];
    this.#dropUnwanted(model, events);
    const tried: number[] = [];
    for (const event of events) {
      const { retry } = this;
      const isAgain = retry?.row.eventSeq === event.seq;
      if (event.seq <= this.seq || (!isAgain && !this.#wants(model, event))) continue;
      if (isAgain && retry.nextAtMs > nowMs) break;
      const row = this.#rowOf(event);
      const tries = isAgain ? retry.tries + 1 : 1;
      tried.push(event.seq);
      row.tries++;
      const goesOn = !isDown || tries >= triesMax;
      row.state = isDown ? (goesOn ? 'failed' : 'retrying') : 'delivered';
      this.retry = goesOn ? undefined : { row, tries, nextAtMs: Number.POSITIVE_INFINITY };
      // Before it, nothing is left to be done.
      this.seq = goesOn ? event.seq : event.seq - 1;
      if (!goesOn) break;
    }
    return tried;
  }

  /** Its place is stored once an hour where it wants nothing; what it had not to send is done with then. */
  passOver(model: Model, events: readonly StoredEvent[], seq: number): void {
    if (this.settings.paused || this.retry !== undefined || seq <= this.seq) return;
    const passed = events.filter((event) => event.seq > this.seq && event.seq <= seq);
    if (!passed.some((event) => this.#wants(model, event))) this.seq = seq;
  }

  /** Other settings may have made an end to what it tried again. */
  #dropUnwanted(model: Model, events: readonly StoredEvent[]): void {
    const { retry } = this;
    const event = events.find(({ seq }) => seq === retry?.row.eventSeq);
    if (this.#isNew && retry !== undefined && (event === undefined || !this.#wants(model, event))) {
      retry.row.state = 'failed';
      this.retry = undefined;
    }
    this.#isNew = false;
  }

  #wants(model: Model, { kind, jobId, data }: StoredEvent): boolean {
    const { kinds, queue } = this.settings;
    const named = typeof data['queue'] === 'string' ? data['queue'] : null;
    const ofJob = model.jobs.find(({ id }) => id === jobId)?.queue ?? model.queueOfForgotten.get(jobId ?? '');
    const ofQueue = ofJob ?? named;
    if (queue !== null && ofQueue !== queue) return false;
    return kinds.length === 0 || kinds.some((start) => kind.startsWith(start));
  }

  #rowOf({ seq, kind }: StoredEvent): ModelDelivery {
    const found = this.log.find(({ eventSeq }) => eventSeq === seq);
    const row: ModelDelivery = found ?? { kind, eventSeq: seq, state: 'retrying', tries: 0 };
    if (found === undefined) this.log.push(row);
    return row;
  }
}
