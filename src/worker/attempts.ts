/** The attempts one generation of a worker holds: running ones in slots, a few claimed ones waiting for a slot. */
import type { AttemptDone, AttemptRef, ClaimedJob } from '../contract/worker.ts';
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { type AttemptRun, doneOf } from './attempt-run.ts';
import { ClaimAhead } from './claim-ahead.ts';

/** Slots, how a run is made, and whom to tell of its end. */
export interface AttemptsDeps {
  readonly clock: Clock;
  /** Attempts that may run at once. */
  readonly slots: number;
  /** Claims that may wait for a slot; 0 for a worker of heavy jobs. */
  readonly claimAheadMax: number;
  readonly makeRun: (claimed: ClaimedJob) => AttemptRun;
  /** An attempt has ended; null when there is nothing to report. A slot may be free. */
  readonly onEnded: (done: AttemptDone | null) => void;
}

/** Holds claims from their arrival until their end is reported. */
export class Attempts {
  readonly #deps: AttemptsDeps;
  readonly #running = new Map<string, { readonly run: AttemptRun; readonly ended: Promise<void> }>();
  /** Bounded: the server is asked for no more than is wanted, at most twice before it has answered. */
  readonly #waiting = new Map<string, ClaimedJob>();
  readonly #ahead: ClaimAhead;
  #patience: Timer | undefined;
  #endedSinceLook = 0;
  #open = true;

  constructor(deps: AttemptsDeps) {
    this.#deps = deps;
    this.#ahead = new ClaimAhead({ slots: deps.slots, max: deps.claimAheadMax });
  }

  /** Most ends one call tells and, where jobs are claimed ahead, most claims it asks for: half of what may be held. */
  get share(): number {
    const { slots } = this.#deps;
    return this.#hold === slots ? limits.workMax : Math.ceil(this.#hold / 2);
  }

  /** How many more claims are wanted of one call now. */
  get want(): number {
    if (!this.#open) return 0;
    return Math.min(this.share, Math.max(0, this.#hold - this.#running.size - this.#waiting.size));
  }

  get #hold(): number {
    return Math.min(this.#deps.slots + this.#ahead.allowed, limits.slotsMax);
  }

  /** Takes claims; the same claim again changes nothing. */
  accept(claims: readonly ClaimedJob[]): void {
    for (const claimed of claims) {
      const key = keyOf(claimed);
      if (!this.#running.has(key)) this.#waiting.set(key, claimed);
    }
    if (!this.#open) this.giveBackWaiting();
    this.#fillSlots();
    if (this.#waiting.size > 0) this.#watchWaiting();
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
    this.#giveBack([...this.#waiting.values()]);
  }

  /** Wants nothing more; what is claimed and not started, now or later, is given back. */
  closeIntake(): void {
    this.#open = false;
    this.giveBackWaiting();
    this.#patience?.cancel();
  }

  /** Ends all running attempts at once; they are reported as lost. */
  loseAll(message: string): void {
    for (const { run } of this.#running.values()) run.lose(message);
  }

  /** Ends all at once and reports nothing. */
  forgetAll(): void {
    this.#open = false;
    this.#waiting.clear();
    this.#patience?.cancel();
    for (const { run } of this.#running.values()) run.forget();
  }

  /** Resolves when none of those now running is any more. */
  async ended(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  #giveBack(claims: readonly ClaimedJob[]): void {
    for (const claimed of claims) {
      this.#waiting.delete(keyOf(claimed));
      this.#deps.onEnded(doneOf(claimed, null));
    }
  }

  /** What was claimed ahead, or by two calls for one slot, and waits behind slow jobs goes to whoever is free. */
  #watchWaiting(): void {
    if (this.#patience !== undefined) return;
    this.#endedSinceLook = 0;
    this.#patience = this.#deps.clock.after(defaults.claimAheadPatienceMs, () => {
      this.#patience = undefined;
      if (this.#endedSinceLook === 0) this.#ahead.stalled(defaults.claimAheadPatienceMs);
      this.#giveBack([...this.#waiting.values()].slice(this.#ahead.allowed));
      if (this.#waiting.size > 0) this.#watchWaiting();
    });
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
    const { clock } = this.#deps;
    const startMs = clock.monotonicMs();
    const done = await run.run();
    this.#ahead.took(clock.monotonicMs() - startMs);
    this.#endedSinceLook++;
    this.#running.delete(key);
    this.#fillSlots();
    this.#deps.onEnded(done);
  }
}

function keyOf({ jobId, attempt }: AttemptRef): string {
  return `${jobId}/${attempt}`;
}
