/** The Executor port: how a worker runs an attempt. Executors are registered by name; nothing switches over names. */
import type { JobSpec } from '../contract/job.ts';
import type { LogStream } from '../contract/log.ts';
import type { Progress } from '../contract/result.ts';
import type { AttemptDone } from '../contract/worker.ts';
import type { VmSize } from '../domain/vm-size.ts';

/** One file of another job's output. */
export interface InputFile {
  /** Relative, an artifact's name. */
  readonly name: string;
  /** Its bytes, in pieces; rejects when they cannot be had. */
  read(signal: AbortSignal): AsyncIterable<Buffer>;
}

/** How far a command says it is. */
export type ProgressTold = Omit<Progress, 'atMs'>;

/** One attempt as an executor sees it. */
export interface Execution {
  readonly jobId: string;
  readonly attempt: number;
  readonly spec: JobSpec;
  /** Files to put below `BLIXARD_INPUTS` before the command runs. */
  readonly inputs: readonly InputFile[];
  /** Takes how far the command says it is; returns at once. */
  progress(told: ProgressTold): void;
  /** Takes the result, JSON text. Rejects with a BlixardError that says why it is not kept. */
  result(json: Buffer): Promise<void>;
  /**
   * Takes the next piece of an artifact, `last` with its end; one is finished before the next begins. Rejects with a
   * BlixardError that says why it is not kept; then its other pieces need not be given.
   */
  artifact(name: string, data: Buffer, last: boolean): Promise<void>;
  /**
   * Where output goes. The executor awaits it before it reads more from the guest, so a slow log holds the guest
   * back instead of filling memory.
   */
  output(stream: LogStream, data: Buffer): Promise<void>;
  /**
   * Called once, when the command is about to run; awaited. Rejects with FENCED when the job is not ours any more. A
   * light executor calls it only for an attempt that lasts.
   */
  started(): Promise<void>;
  /** Ask the command to end: SIGTERM, grace, then its VM is killed. The outcome has the reason of the stop. */
  readonly stop: AbortSignal;
  /** Forget it at once: kill without grace; the outcome is not used. */
  readonly kill: AbortSignal;
}

/** What `stop.abort(reason)` is called with. */
export type StopReason = 'cancelled';

/** The end of an attempt, without its name. */
export type Outcome = Pick<AttemptDone, 'exitCode' | 'signal' | 'message' | 'vm' | 'usage' | 'retryInMs'> & {
  readonly reason: NonNullable<AttemptDone['reason']>;
};

export interface Executor {
  readonly name: string;
  /**
   * An attempt costs next to nothing and begins the moment it is run: its start is told with its end, unless it lasts,
   * and its worker may claim jobs ahead.
   */
  readonly isLight: boolean;
  /** Why it cannot run jobs now, or null when it can. */
  unavailable(): string | null;
  /** The largest VM it can ever give a job; left out, or undefined, where a job may be of any size. */
  vmMax?(): VmSize | undefined;
  /** Runs one attempt to its end. Resolves with what happened, also for failures of its own; never rejects. */
  run(execution: Execution): Promise<Outcome>;
}
