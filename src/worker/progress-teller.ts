/** Tells the server how far an attempt is: the newest counts, so a chatty command costs few calls. */
import { defaults } from '../domain/defaults.ts';
import type { ProgressTold } from '../executor/executor.ts';
import { sleep } from '../platform/clock.ts';
import type { CallerDeps } from './until-answered.ts';

/** How to tell, and what ends it. */
export interface ProgressTellerDeps extends CallerDeps {
  /** Safe to repeat. */
  readonly tell: (told: ProgressTold) => Promise<void>;
  readonly kill: AbortSignal;
}

/** At most one call at a time, `defaults.progressEveryMs` apart, and the last that was told. */
export class ProgressTeller {
  readonly #deps: ProgressTellerDeps;
  readonly #finish = new AbortController();
  #newest: ProgressTold | undefined;
  #telling: Promise<void> | undefined;

  constructor(deps: ProgressTellerDeps) {
    this.#deps = deps;
  }

  /** Takes the newest. */
  take(told: ProgressTold): void {
    this.#newest = told;
    this.#telling ??= this.#tellAll();
  }

  /** Resolves when the last is told, or cannot be; never rejects. */
  async finish(): Promise<void> {
    this.#finish.abort();
    await this.#telling;
  }

  async #tellAll(): Promise<void> {
    const { clock, kill, log, tell } = this.#deps;
    const hurry = AbortSignal.any([this.#finish.signal, kill]);
    while (this.#newest !== undefined && !kill.aborted) {
      const told = this.#newest;
      this.#newest = undefined;
      try {
        await tell(told);
      } catch (error) {
        // A courtesy: what comes next is told anew.
        if (!kill.aborted) log.warn({ err: error }, 'the progress of an attempt could not be told');
      }
      await sleep(clock, defaults.progressEveryMs, hurry);
    }
    this.#telling = undefined;
  }
}
