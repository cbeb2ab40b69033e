/** A webhook and its model side by side: after each step all that is due has been sent, and nothing else. */
import { expect } from 'vitest';
import type { Webhook } from '../../contract/webhook.ts';
import { silentLog } from '../../platform/log.ts';
import { seededRandom } from '../../platform/random.ts';
import { type Control, settle } from '../control.suite.ts';
import { EventFeed } from '../events/event-feed.ts';
import { FakeSender } from '../webhooks/sender.suite.ts';
import { Webhooks } from '../webhooks/webhooks.ts';
import type { ModelHook } from './hook.suite.ts';
import type { Model } from './model.suite.ts';

export const hookName = 'ci';
/** Deliveries and events looked at. */
const [shown, eventsMost] = [50, 100_000];

export class Hooks {
  readonly sender = new FakeSender();
  readonly webhooks: Webhooks;
  readonly events: EventFeed;
  /** The one that there is. */
  hook: ModelHook | undefined;
  /** Numbers of the events, in the order in which they were sent; null for a test. */
  readonly sent: (number | null)[] = [];
  readonly #control: Control;

  constructor(control: Control) {
    this.#control = control;
    const { db, clock, ids } = control;
    this.events = new EventFeed({ db, commits: db, log: silentLog });
    const deps = { db, clock, ids, events: this.events, sender: this.sender, log: silentLog };
    this.webhooks = new Webhooks({ ...deps, random: seededRandom(1) });
    this.webhooks.start();
  }

  /** After a step. */
  async compare(model: Model): Promise<void> {
    const { hook, sender } = this;
    const nowMs = this.#control.clock.nowMs();
    if (hook !== undefined) {
      const { events } = await this.events.read({}, hook.seq, eventsMost);
      this.sent.push(...hook.deliver(model, events, nowMs, sender.isDown));
      await this.#untilDone(hook);
      const view = await this.webhooks.get(hookName);
      hook.passOver(model, events, view.seq);
      await this.#compareHook(hook, view, nowMs);
    }
    expect(sender.sent.map(({ eventSeq }) => eventSeq)).toEqual(this.sent);
  }

  /** After all steps: nothing more was to be sent. */
  async end(): Promise<void> {
    await settle();
    await this.webhooks.stop();
    expect(this.sender.sent).toHaveLength(this.sent.length);
  }

  /** Its loop runs beside the steps; a number of turns is enough for all that one step can bring. */
  async #untilDone({ seq, retry }: ModelHook): Promise<void> {
    for (let turns = 0; turns < 100; turns++) {
      await settle();
      const view = await this.webhooks.get(hookName);
      const isThere = view.seq >= seq && view.retry?.tries === retry?.row.tries;
      if (isThere && this.sender.sent.length >= this.sent.length) return;
    }
  }

  async #compareHook(hook: ModelHook, view: Webhook, nowMs: number): Promise<void> {
    const { settings, seq, retry, log } = hook;
    const tried = view.retry === null ? null : { eventSeq: view.retry.eventSeq, tries: view.retry.tries };
    expect({ kinds: view.kinds, queue: view.queue, paused: view.paused, seq: view.seq, tried }).toEqual({
      ...settings,
      ...{
        seq,
        tried: retry === undefined ? null : { eventSeq: retry.row.eventSeq, tries: retry.row.tries },
      },
    });
    const { deliveries } = await this.webhooks.deliveries(hookName, { limit: shown });
    const told = deliveries.map(({ kind, eventSeq, state, tries }) => ({ kind, eventSeq, state, tries }));
    expect(told).toEqual(log.slice(-shown).reverse());
    if (retry === undefined || view.retry === null) return;
    // It was just put off: how long within its bounds is chance.
    if (retry.nextAtMs === Number.POSITIVE_INFINITY) {
      const mostMs = Math.min(600_000, 5_000 * 2 ** (retry.tries - 1));
      expect(view.retry.nextAtMs - nowMs).toBeGreaterThanOrEqual(0.75 * mostMs);
      expect(view.retry.nextAtMs - nowMs).toBeLessThanOrEqual(mostMs);
      retry.nextAtMs = view.retry.nextAtMs;
    }
    expect(view.retry.nextAtMs).toBe(retry.nextAtMs);
  }
}
