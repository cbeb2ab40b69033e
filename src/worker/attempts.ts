/** The attempts one generation of a worker holds: running ones in slots, a few claimed ones waiting for a slot. */
import type { AttemptDone, AttemptRef, ClaimedJob } from '../contract/worker.ts';
import { type AttemptRun, doneOf } from './attempt-run.ts';

/** Slots, how a run is made, and whom to tell of its end. */
export interface AttemptsDeps {
  /** Attempts that may run at once. */
  readonly slots: number;
  readonly makeRun: (claimed: ClaimedJob) => AttemptRun;
  /** An attempt has ended; null when there is nothing to report. A slot may be free. */
  readonly onEnded: (done: AttemptDone | null) => void;
}

/** Holds claims from their arrival until their end is reported. */
export class Attempts {
  readonly #deps: AttemptsDeps;
  readonly #running = new Map<string, { readonly run: AttemptRun; readonly ended: Promise<void> }>();
  /** Bounded: the server is asked for no more than the free slots, at most twice before it has answered. */
  readonly #waiting = new Map<string, ClaimedJob>();
  #open = true;

  constructor(deps: AttemptsDeps) {
    this.#deps = deps;
  }

  /** How many more claims are wanted now. */
  get want(): number {
    if (!this.#open) return 0;
    return Math.max(0, this.#deps.slots - this.#running.size - this.#waiting.size);
  }

  /** Takes claims; the same claim again changes nothing. */
  accept(claims: readonly ClaimedJob[]): void {
    for (const claimed of claims) {
      const key = keyOf(claimed);
      if (!this.#running.has(key)) this.#waiting.set(key, claimed);
    }
    if (!this.#open) this.giveBackWaiting();
    this.#fillSlots();
  }

  /** A user wants these stopped; those not held are ignored. */
  cancel(refs: readonly AttemptRef[]): void {
    for (const ref of refs) {
      const key = keyOf(ref);
      this.#running.get(key)?.run.cancel();
      const claimed = this.#waiting.get(key);
      if (claimed === undefined) continue;
      this.#waiting.delete(key);
      this.#deps.onEnded(doneOf(claimed, 'cancelled', 'the job was cancelled before it was started'));
    }
  }

  /** Gives back those of these claims that never came here: their answer was lost for good. */
  giveBackUnknown(refs: readonly AttemptRef[]): void {
    for (const ref of refs) {
      const key = keyOf(ref);
      if (!this.#running.has(key) && !this.#waiting.has(key)) this.#deps.onEnded(doneOf(ref, null));
    }
  }

  /** Claims that wait for a slot go back to the server, unstarted. */
  giveBackWaiting(): void {
    const claims = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const claimed of claims) this.#deps.onEnded(doneOf(claimed, null));
  }

  /** Wants nothing more; what is claimed and not started, now or later, is given back. */
  closeIntake(): void {
    this.#open = false;
    this.giveBackWaiting();
  }

  /** Ends all running attempts at once; they are reported as lost. */
  loseAll(message: string): void {
    for (const { run } of this.#running.values()) run.lose(message);
  }

  /** Ends all at once and reports nothing. */
  forgetAll(): void {
    this.#open = false;
    this.#waiting.clear();
    for (const { run } of this.#running.values()) run.forget();
  }

  /** Resolves when none of those now running is any more. */
  async ended(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  #fillSlots(): void {
    for (const [key, claimed] of this.#waiting) {
      if (this.#running.size >= this.#deps.slots) return;
      this.#waiting.delete(key);
      const run = this.#deps.makeRun(claimed);
      this.#running.set(key, { run, ended: this.#run(key, run) });
    }
  }

  async #run(key: string, run: AttemptRun): Promise<void> {
    const done = await run.run();
    this.#running.delete(key);
    this.#fillSlots();
    this.#deps.onEnded(done);
  }
}

function keyOf({ jobId, attempt }: AttemptRef): string {
  return `${jobId}/${attempt}`;
}
