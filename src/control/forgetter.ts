/** Has forgotten what was kept long enough. Sleeps until the next is due, never polls. */
import { problemOf } from '../domain/errors.ts';
import { backoffDelayMs, infraBackoff } from '../domain/retry.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Random } from '../platform/random.ts';
import type { ForgetCommands } from './forget-commands.ts';
import type { Signals, Unsubscribe } from './signals.ts';

/** Longest a timer may run (2^31 - 1 ms, Node's bound); a later due time is looked at again then. */
const timerMsMax = 2 ** 31 - 1;

interface ForgetterDeps {
  readonly forget: ForgetCommands;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signals: Signals;
}

/** One per control process. */
export class Forgetter {
  readonly #deps: ForgetterDeps;
  #started = false;
  /** No job that ends now is due before so much later; infinite until it is known. */
  #shortestMs = Number.POSITIVE_INFINITY;
  #dueAtMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #timer: Timer | undefined;
  #listening: Unsubscribe[] = [];
  #running: Promise<void> | undefined;
  #stopping = new AbortController();
  #lookAgain = false;

  constructor(deps: ForgetterDeps) {
    this.#deps = deps;
  }

  /** Finishes what an earlier process began to forget, and begins to watch the time. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#stopping = new AbortController();
    const { signals, clock } = this.#deps;
    this.#listening = [
      signals.onAnyEnded(() => this.#due(clock.nowMs() + this.#shortestMs)),
      signals.onQueueSet(() => this.#look()),
      signals.onLogsLeft(() => this.#look()),
    ];
    this.#look();
  }

  /** Resolves when nothing of it runs any more; what is left to be forgotten, maybe much, waits for the next start. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#stopping.abort();
    this.#timer?.cancel();
    for (const unsubscribe of this.#listening) unsubscribe();
    this.#listening = [];
    await this.#running;
  }

  #due(atMs: number): void {
    if (atMs >= this.#dueAtMs) return;
    this.#dueAtMs = atMs;
    this.#arm();
  }

  /** One look at a time; what came up during one is looked at after it. News do not cut a back-off short. */
  #look(): void {
    this.#lookAgain = true;
    if (this.#failures === 0) this.#running ??= this.#lookUntilDone();
  }

  async #lookUntilDone(): Promise<void> {
    while (this.#lookAgain && this.#started) {
      this.#lookAgain = false;
      try {
        await this.#lookOnce();
        this.#failures = 0;
      } catch (error) {
        this.#failures++;
        this.#deps.log.error({ err: error, failures: this.#failures }, `forgetter: ${problemOf(error)}`);
        break;
      }
    }
    this.#running = undefined;
    this.#arm();
  }

  async #lookOnce(): Promise<void> {
    // What ends while it looks must not be forgotten.
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    this.#shortestMs = await this.#deps.forget.shortestRetentionMs();
    const nextMs = await this.#deps.forget.forgetDue(this.#stopping.signal);
    this.#dueAtMs = Math.min(this.#dueAtMs, nextMs);
  }

  #arm(): void {
    if (!this.#started || this.#running !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const waitMs = this.#failures > 0 ? this.#backoffMs() : this.#dueAtMs - this.#deps.clock.nowMs();
    if (waitMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(0, waitMs), timerMsMax);
    this.#timer = this.#deps.clock.after(delayMs, () => this.#fire());
  }

  #fire(): void {
    if (this.#failures === 0 && this.#dueAtMs > this.#deps.clock.nowMs()) {
      this.#arm();
    } else {
      this.#lookAgain = true;
      this.#running ??= this.#lookUntilDone();
    }
  }

  #backoffMs(): number {
    return backoffDelayMs(infraBackoff, this.#failures, this.#deps.random.unit());
  }
}
