/** An executor without VMs, for an application's own code: the first word of a job's command names a function. */
import type { JobSpec } from '../contract/job.ts';
import { defaults } from '../domain/defaults.ts';
import { isBlixardError, problemOf } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Execution, Executor, Outcome } from './executor.ts';
import { type FunctionJob, FunctionRun } from './function-run.ts';
import { outcome } from './outcome.ts';

/** Does a job. What it resolves with is not kept; what it throws fails the attempt with exit code 1. */
export type JobFunction = (job: FunctionJob) => unknown;

/** What it is built from. */
export interface FunctionExecutorDeps {
  readonly clock: Clock;
  /** By the names that jobs call them. */
  readonly functions: Readonly<Record<string, JobFunction>>;
  /** What jobs name as their executor; default `function`. */
  readonly name?: string;
  /** How long a function that was told to stop may go on before its end is told without it; default 5 s. */
  readonly stopGraceMs?: number;
}

/** Only of a job whose function is still under way this long after its begin are stop and time-out watched. */
const watchedAfterMs = 1;
const unknownFunction = 127;
const succeeded = outcome('exit', { exitCode: 0 });

/**
 * Runs functions of this process. They are trusted: no memory limit holds them, and one that is stopped is asked by
 * its `signal` and not forced.
 */
export class FunctionExecutor implements Executor {
  readonly name: string;
  readonly isLight = true;
  readonly #clock: Clock;
  readonly #stopGraceMs: number;
  readonly #functions: ReadonlyMap<string, JobFunction>;
  /** Begun since the last look; bounded by what a worker holds, and what ends between two looks. */
  #fresh: FunctionRun[] = [];

  constructor(deps: FunctionExecutorDeps) {
    this.name = deps.name ?? defaults.functionExecutor;
    this.#clock = deps.clock;
    this.#stopGraceMs = deps.stopGraceMs ?? defaults.stopGraceMs;
    this.#functions = new Map(Object.entries(deps.functions));
  }

  unavailable(): string | null {
    return null;
  }

  run(execution: Execution): Promise<Outcome> {
    const act = this.#functions.get(execution.spec.command[0] ?? '');
    if (act === undefined) return Promise.resolve(this.#unknown(execution.spec));
    const run = new FunctionRun(execution, { clock: this.#clock, stopGraceMs: this.#stopGraceMs });
    const done = perform(act, run);
    if (this.#fresh.push(run) === 1) this.#clock.after(watchedAfterMs, () => this.#watch());
    return run.until(done);
  }

  #watch(): void {
    const runs = this.#fresh;
    this.#fresh = [];
    for (const run of runs) run.watch();
  }

  #unknown({ command }: JobSpec): Outcome {
    const known = [...this.#functions.keys()].join(', ') || 'none';
    const message = `this worker has no function ${command[0] ?? ''}; it has: ${known}`;
    return outcome('exit', { exitCode: unknownFunction, message });
  }
}

async function perform(act: JobFunction, job: FunctionJob): Promise<Outcome> {
  try {
    await act(job);
    return succeeded;
  } catch (error) {
    const message = isBlixardError(error) ? error.message : problemOf(error);
    return outcome('exit', { exitCode: 1, message });
  }
}
