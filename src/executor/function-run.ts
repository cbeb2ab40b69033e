/** One attempt of a function: what the function sees of its job, and what ends it early. */
import type { JobSpec } from '../contract/job.ts';
import { defaults } from '../domain/defaults.ts';
import { asBlixardError } from '../domain/errors.ts';
import type { EndReason } from '../domain/job.ts';
import { formatDurationMs } from '../domain/units.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Execution, Outcome } from './executor.ts';
import { outcome, outcomeOfError } from './outcome.ts';

/** A job as its function sees it. */
export interface FunctionJob {
  readonly id: string;
  /** Counts from 1; a job that runs again has the next one. */
  readonly attempt: number;
  readonly spec: JobSpec;
  /** The command without the name of the function. */
  readonly args: readonly string[];
  /** What was given as standard input. */
  readonly stdin: Buffer;
  /** Aborts when the job is cancelled, has run too long, or is not this worker's any more. */
  readonly signal: AbortSignal;
  /** Writes to the log of the job, until its attempt has ended; resolves when there is room for more, never rejects. */
  readonly print: (text: string | Buffer) => Promise<void>;
}

interface Deps {
  readonly clock: Clock;
  readonly stopGraceMs: number;
}

/** Costs little while it is short: signals and timers are made for those that last. */
export class FunctionRun implements FunctionJob {
  readonly #execution: Execution;
  readonly #deps: Deps;
  #controller: AbortController | undefined;
  /** Why it is to end, once it is. */
  #cut: Outcome | undefined;
  #resolve: ((outcome: Outcome) => void) | undefined;
  #isOver = false;
  readonly #timers: Timer[] = [];
  readonly #unhook: (() => void)[] = [];

  constructor(execution: Execution, deps: Deps) {
    this.#execution = execution;
    this.#deps = deps;
  }

  get id(): string {
    return this.#execution.jobId;
  }

  get attempt(): number {
    return this.#execution.attempt;
  }

  get spec(): JobSpec {
    return this.#execution.spec;
  }

  get args(): readonly string[] {
    return this.spec.command.slice(1);
  }

  get stdin(): Buffer {
    return Buffer.from(this.spec.stdinBase64, 'base64');
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#cut !== undefined) this.#controller.abort();
    return this.#controller.signal;
  }

  /** May be taken out of the job, as all else of it may. */
  get print(): FunctionJob['print'] {
    return (text) => {
      const data = Buffer.from(text);
      return this.#isOver ? nextTurn() : this.#write(data);
    };
  }

  /** What became of it: `done`, or why it was ended before. */
  until(done: Promise<Outcome>): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      void done.then((outcome) => this.#end(this.#cut ?? outcome));
    });
  }

  /** It lasts, so it may be stopped, run out of time, and be told as running. */
  watch(): void {
    if (this.#resolve === undefined) return;
    const { stop, kill, spec } = this.#execution;
    this.#hook(kill, () => this.#cutShort('internal', 'killed', 0));
    this.#hook(stop, () => this.#cutShort('cancelled', 'the function was told to stop'));
    const late = `the function ran longer than ${formatDurationMs(spec.timeoutMs)}`;
    this.#after(spec.timeoutMs, () => this.#cutShort('timeout', late));
    this.#after(defaults.lightStartToldMs, () => void this.#tellStart());
  }

  async #tellStart(): Promise<void> {
    try {
      await this.#execution.started();
    } catch (error) {
      this.#startFailed(error);
    }
  }

  /** Who prints need not wait for it: a rejection that nobody takes would end the whole application. */
  async #write(data: Buffer): Promise<void> {
    try {
      await this.#execution.output('stdout', data);
    } catch (error) {
      this.#startFailed(error);
      await nextTurn();
    }
  }

  #startFailed(error: unknown): void {
    const { stop, kill } = this.#execution;
    // A start that is cut off by a stop ends with the stop.
    if (this.#cut !== undefined || stop.aborted || kill.aborted) return;
    const failed = outcomeOfError(asBlixardError(error), null);
    this.#cut = failed;
    this.#controller?.abort();
    this.#end(failed);
  }

  /** A function cannot be forced to end; after the grace time its end is told without it. */
  #cutShort(reason: EndReason, message: string, graceMs = this.#deps.stopGraceMs): void {
    const cut = this.#cut ?? outcome(reason, { message });
    this.#cut = cut;
    this.#controller?.abort();
    if (graceMs === 0) this.#end(cut);
    else this.#after(graceMs, () => this.#end(cut));
  }

  #end(end: Outcome): void {
    const resolve = this.#resolve;
    if (resolve === undefined) return;
    this.#resolve = undefined;
    this.#isOver = true;
    for (const timer of this.#timers) timer.cancel();
    for (const unhook of this.#unhook) unhook();
    resolve(end);
  }

  // What `watch` does first may end the run: then nothing more of it is awaited.
  #after(ms: number, act: () => void): void {
    if (this.#resolve === undefined) return;
    this.#timers.push(this.#deps.clock.after(ms, act));
  }

  #hook(signal: AbortSignal, act: () => void): void {
    if (this.#resolve === undefined) return;
    if (signal.aborted) act();
    else signal.addEventListener('abort', act, { once: true });
    this.#unhook.push(() => signal.removeEventListener('abort', act));
  }
}

/** One that goes on to print in a loop must not keep all else of its process waiting. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
