/**
 * Delivers the events of one webhook, one after another in their order. Its place in the events, and the tries of
 * the one it is at, are in the store: after a crash it goes on there. An event that still fails after
 * `limits.webhookTriesMax` tries is written down as failed, and the next one's turn comes.
 */
import { defaults } from '../../domain/defaults.ts';
import { problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { backoffDelayMs, infraBackoff, webhookBackoff } from '../../domain/retry.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Random } from '../../platform/random.ts';
import type { Database } from '../../store/database.ts';
import { dropRetry, moveCursor, pruneDeliveries } from '../../store/statements/webhooks.ts';
import type { EventFeed } from '../events/event-feed.ts';
import { passes, type StoredEvent } from '../events/filter.ts';
import { Wakeup } from '../wakeup.ts';
import { type Message, messageOf } from './message.ts';
import { findHook, type Hook, tryStatement } from './records.ts';
import type { TryOutcome, WebhookSender } from './sender.ts';

/** What delivering works with. */
export interface HookLoopDeps {
  readonly db: Database;
  readonly events: EventFeed;
  readonly sender: Pick<WebhookSender, 'assertTarget' | 'send' | 'close'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Tries of the event the loop is at. */
interface Retry {
  readonly deliveryId: string;
  readonly tries: number;
  readonly nextAtMs: number;
}

/** Runs from its making until `stop`. */
export class HookLoop {
  readonly #deps: HookLoopDeps;
  readonly #name: string;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  #failures = 0;

  constructor(deps: HookLoopDeps, name: string) {
    this.#deps = deps;
    this.#name = name;
    this.#running = this.#run();
  }

  /** Cuts a try under way; resolves when nothing of the loop runs any more. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  /** Begins anew from what is stored after every failure of the store. */
  async #run(): Promise<void> {
    const { clock, events, log, random } = this.#deps;
    const { signal } = this.#stopped;
    const wakeup = new Wakeup({ clock, signal });
    const stopListening = events.onAppended(() => wakeup.wake());
    while (!signal.aborted) {
      try {
        await this.#deliverAll(wakeup);
        break;
      } catch (error) {
        this.#failures++;
        log.error({ err: error, webhook: this.#name }, `webhooks: ${problemOf(error)}`);
        await sleep(clock, backoffDelayMs(infraBackoff, this.#failures, random.unit()), signal);
      }
    }
    stopListening();
  }

  /** Ends when the loop is stopped, or its webhook is gone or paused. */
  async #deliverAll(wakeup: Wakeup): Promise<void> {
    const hook = await findHook(this.#deps.db, this.#name);
    if (hook === undefined || hook.view.paused) return;
    const { kinds, queue } = hook.view;
    const retry = await this.#retryOf(hook);
    const { clock } = this.#deps;
    let stored = hook.view.seq;
    let storedAtMs = clock.monotonicMs();
    let position = stored;
    while (!this.#stopped.signal.aborted) {
      const stretch = await this.#deps.events.read({ kinds, queue }, position, limits.webhookPage);
      if (stretch.goneBefore !== null)
        this.#deps.log.warn(
          { webhook: this.#name, after: position, oldest: stretch.goneBefore },
          'events that a webhook has not had are no longer kept',
        );
      for (const event of stretch.events) {
        const message = messageOf(hook.id, event);
        await this.#deliver(hook, event, message, retry?.deliveryId === message.id ? retry : undefined);
        if (this.#stopped.signal.aborted) return;
        stored = event.seq;
        storedAtMs = clock.monotonicMs();
      }
      position = stretch.position;
      const leftMs = storedAtMs + defaults.webhookPlaceMs - clock.monotonicMs();
      // Else what it has passed over, once forgotten, looks like events it has not had.
      if (position - stored >= limits.webhookCursorStep || (position > stored && leftMs <= 0)) {
        await this.#deps.db.batch([moveCursorOf(hook, position)]);
        stored = position;
        storedAtMs = clock.monotonicMs();
      }
      if (!stretch.more) await wakeup.next(position > stored ? leftMs : undefined);
    }
  }

  /** What is to be tried again; nothing when the webhook does not want that event any more. */
  async #retryOf(hook: Hook): Promise<Retry | undefined> {
    const { kinds, queue, retry } = hook.view;
    if (retry === null) return undefined;
    const event = await this.#deps.events.one(retry.eventSeq);
    if (event !== undefined && passes({ kinds, queue }, event)) return retry;
    await this.#deps.db.batch([dropRetry.with({ webhook: this.#name })]);
    return undefined;
  }

  /** Tries until the message is delivered, given up, or the loop stopped. */
  async #deliver(hook: Hook, event: StoredEvent, message: Message, before?: Retry): Promise<void> {
    const { clock, sender } = this.#deps;
    const { signal } = this.#stopped;
    let nextAtMs = before?.nextAtMs ?? 0;
    for (let tries = (before?.tries ?? 0) + 1; ; tries++) {
      const waitMs = nextAtMs - clock.nowMs();
      if (waitMs > 0) await sleep(clock, waitMs, signal);
      if (signal.aborted) return;
      const startedAtMs = clock.nowMs();
      const outcome = await sender.send({ url: hook.view.url, secret: hook.secret }, message, signal);
      // What arrived is written down even then, so that it need not be sent twice.
      if (signal.aborted && outcome.problem !== null) return;
      const isOver = outcome.problem === null || tries >= limits.webhookTriesMax;
      if (isOver) return await this.#settle(hook, event, { message, outcome, startedAtMs });
      nextAtMs = await this.#putOff(hook, event, { message, outcome, startedAtMs }, tries);
    }
  }

  /** The last try and the new place in one commit: neither can be without the other. */
  async #settle(
    hook: Hook,
    event: StoredEvent,
    done: { message: Message; outcome: TryOutcome; startedAtMs: number },
  ): Promise<void> {
    const { problem } = done.outcome;
    const state = problem === null ? 'delivered' : 'failed';
    if (problem !== null)
      this.#deps.log.warn(
        { webhook: this.#name, delivery: done.message.id, problem },
        'a webhook was given up',
      );
    await this.#deps.db.batch([
      tryStatement(hook, { ...done, state, nowMs: this.#deps.clock.nowMs(), nextAtMs: null }),
      moveCursorOf(hook, event.seq),
      pruneDeliveries.with({ webhook: this.#name }),
    ]);
    this.#failures = 0;
  }

  /**
   * Writes a failed try down, and that all before this event is done with: what was passed over must not come first
   * when the filter changes. Gives the time of the next try.
   */
  async #putOff(
    hook: Hook,
    event: StoredEvent,
    done: { message: Message; outcome: TryOutcome; startedAtMs: number },
    tries: number,
  ): Promise<number> {
    const { clock, db, random } = this.#deps;
    const backoffMs = backoffDelayMs(webhookBackoff, tries, random.unit());
    const nowMs = clock.nowMs();
    const nextAtMs = nowMs + Math.max(backoffMs, done.outcome.retryAfterMs);
    await db.batch([
      tryStatement(hook, { ...done, state: 'retrying', nowMs, nextAtMs }),
      moveCursorOf(hook, event.seq - 1),
    ]);
    return nextAtMs;
  }
}

function moveCursorOf(hook: Hook, seq: number) {
  return moveCursor.with({ webhook: hook.view.name, webhookId: hook.id, seq });
}
