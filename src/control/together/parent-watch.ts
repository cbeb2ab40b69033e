/** Has the children of a job told as soon as it has ended. Sleeps until one ends, never polls. */
import { problemOf } from '../../domain/errors.ts';
import { backoffDelayMs, infraBackoff } from '../../domain/retry.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Random } from '../../platform/random.ts';
import type { Signals, Unsubscribe } from '../signals.ts';
import type { ParentEnds } from './parent-ends.ts';

interface WatchDeps {
  readonly parentEnds: ParentEnds;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signals: Signals;
}

/** One per control process. */
export class ParentWatch {
  readonly #deps: WatchDeps;
  #started = false;
  #failures = 0;
  #timer: Timer | undefined;
  #stopListening: Unsubscribe | undefined;
  #running: Promise<void> | undefined;
  #lookAgain = false;

  constructor(deps: WatchDeps) {
    this.#deps = deps;
  }

  /** Tells what an earlier process left untold, and begins to listen. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#stopListening = this.#deps.signals.onParentEnded(() => this.#look());
    this.#look();
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#timer?.cancel();
    this.#stopListening?.();
    await this.#running;
  }

  /** One look at a time; what ends during one is looked at after it. News do not cut a back-off short. */
  #look(): void {
    this.#lookAgain = true;
    if (this.#failures === 0) this.#running ??= this.#lookUntilDone();
  }

  async #lookUntilDone(): Promise<void> {
    while (this.#lookAgain && this.#started) {
      this.#lookAgain = false;
      try {
        await this.#deps.parentEnds.tellAll();
        this.#failures = 0;
      } catch (error) {
        this.#failures++;
        this.#deps.log.error(
          { err: error, failures: this.#failures },
          `children of ended jobs: ${problemOf(error)}`,
        );
        this.#tryLater();
        break;
      }
    }
    this.#running = undefined;
  }

  #tryLater(): void {
    if (!this.#started) return;
    this.#lookAgain = true;
    const delayMs = backoffDelayMs(infraBackoff, this.#failures, this.#deps.random.unit());
    this.#timer = this.#deps.clock.after(delayMs, () => {
      this.#running ??= this.#lookUntilDone();
    });
  }
}
