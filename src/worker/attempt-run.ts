/** One attempt on this worker, from its claim to what is to be reported of it. */
import type { BlixardClient } from '../client/client.ts';
import type { JobSpec } from '../contract/job.ts';
import type { LogStream } from '../contract/log.ts';
import type { AttemptDone, AttemptRef, ClaimedJob } from '../contract/worker.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError, isBlixardError, problemOf } from '../domain/errors.ts';
import type { EndReason } from '../domain/job.ts';
import type {
  Execution,
  Executor,
  InputFile,
  Outcome,
  ProgressTold,
  StopReason,
} from '../executor/executor.ts';
import { outcome } from '../executor/outcome.ts';
import type { ExecutorRegistry } from '../executor/registry.ts';
import { failpoint } from '../platform/failpoint.ts';
import { LazySignal } from '../platform/lazy-signal.ts';
import { AttemptCaller, type AttemptCallerDeps } from './attempt-caller.ts';
import { AttemptTells } from './attempt-tells.ts';
import { gatherInputs } from './gather-inputs.ts';
import type { LogUpload } from './log-buffer.ts';
import { LogShipper } from './log-shipper.ts';
import { answerTimeoutMs, type CallerDeps, untilAnswered } from './until-answered.ts';

/** Who claims: everything said about an attempt names this. */
export interface Holder {
  readonly workerId: string;
  readonly generation: number;
}

/** What all attempts of one generation share. */
export interface AttemptRunDeps extends CallerDeps {
  readonly client: BlixardClient;
  readonly executors: ExecutorRegistry;
  readonly holder: Holder;
  /** No call of this generation has been answered for a while. */
  readonly isServerAway: () => boolean;
}

/** What a report says of an attempt that has no outcome of its own. */
export function doneOf(
  { jobId, attempt }: AttemptRef,
  reason: EndReason | null,
  message: string | null = null,
): AttemptDone {
  return { jobId, attempt, reason, message, exitCode: null, signal: null, vm: null, usage: null };
}

/** Runs one claimed job: start told, output shipped, end known. What a short attempt does not need is not made. */
export class AttemptRun implements Execution {
  readonly claimed: ClaimedJob;
  readonly #deps: AttemptRunDeps;
  readonly #stop = new LazySignal();
  readonly #kill = new LazySignal();
  #shipper: LogShipper | undefined;
  #tells: AttemptTells | undefined;
  #inputs: readonly InputFile[] = [];
  /** When its executor got it, epoch ms. */
  #begunAtMs: number | undefined;
  #telling: Promise<void> | undefined;
  #commandEnded = false;
  /** Overrides the outcome once the attempt was killed: a report, or null for none. */
  #verdict: AttemptDone | null | undefined;

  constructor(claimed: ClaimedJob, deps: AttemptRunDeps) {
    this.claimed = claimed;
    this.#deps = deps;
  }

  get jobId(): string {
    return this.claimed.jobId;
  }

  get attempt(): number {
    return this.claimed.attempt;
  }

  get spec(): JobSpec {
    return this.claimed.spec;
  }

  get inputs(): readonly InputFile[] {
    return this.#inputs;
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  get kill(): AbortSignal {
    return this.#kill.signal;
  }

  /** Asks the command to end, because a user cancelled the job. Safe to call again. */
  cancel(): void {
    const reason: StopReason = 'cancelled';
    this.#stop.abort(reason);
  }

  /**
   * Ends it at once; it is reported as `worker_lost`, so that it runs again without spending a user attempt. One
   * whose command has ended and only its output is still under way is reported as it ended.
   */
  lose(message: string): void {
    if (!this.#commandEnded) this.#verdict ??= doneOf(this.claimed, 'worker_lost', message);
    this.#kill.abort();
  }

  /** Ends it at once and reports nothing: it is not ours any more. */
  forget(): void {
    this.#verdict = null;
    this.#kill.abort();
  }

  started(): Promise<void> {
    this.#telling ??= this.#tellStart();
    return this.#telling;
  }

  async output(stream: LogStream, data: Buffer): Promise<void> {
    await this.started();
    this.#shipper ??= this.#makeShipper();
    await this.#shipper.write(stream, data);
  }

  progress(told: ProgressTold): void {
    this.#tells ??= this.#makeTells();
    this.#tells.progress(told);
  }

  result(json: Buffer): Promise<void> {
    this.#tells ??= this.#makeTells();
    return this.#tells.result(json);
  }

  artifact(name: string, data: Buffer, last: boolean): Promise<void> {
    this.#tells ??= this.#makeTells();
    return this.#tells.artifact(name, data, last);
  }

  /** Runs it to its end; never rejects. Null: there is nothing to report. */
  async run(): Promise<AttemptDone | null> {
    const { log, executors } = this.#deps;
    const { jobId, attempt, spec } = this.claimed;
    const executor = executors.find(spec.executor);
    const unavailable = executor === undefined ? this.#unknownExecutor() : executor.unavailable();
    if (executor === undefined || unavailable !== null) {
      return doneOf(this.claimed, 'executor_unavailable', unavailable);
    }
    failpoint('attempt-claimed');
    const ended = await this.#outcome(executor);
    failpoint('attempt-ended');
    const level = executor.isLight ? 'debug' : 'info';
    if (log.isLevelEnabled(level)) log[level]({ jobId, attempt, ...summaryOf(ended) }, 'attempt ended');
    if (this.#verdict !== undefined) return this.#verdict;
    const done = { jobId, attempt, ...ended };
    const startedAtMs = this.#begunAtMs;
    const isStartTold = this.#telling !== undefined || startedAtMs === undefined;
    return executor.isLight && !isStartTold ? { ...done, startedAtMs } : done;
  }

  async #outcome(executor: Executor): Promise<Outcome> {
    try {
      const { inputs } = this.spec;
      if (inputs !== undefined && inputs.length > 0) this.#inputs = await this.#gather(inputs);
      this.#begunAtMs = this.#deps.clock.nowMs();
      return await executor.run(this);
    } catch (error) {
      if (this.#stop.isAborted) return outcome('cancelled', { message: 'stopped before it began' });
      const reason = isBlixardError(error, 'INPUT_UNAVAILABLE') ? 'input_missing' : 'internal';
      return outcome(reason, { message: problemOf(error) });
    } finally {
      this.#commandEnded = true;
      // A start that was refused is told by whoever asked for it.
      if (this.#telling !== undefined) await this.#telling.catch(() => this.#verdict);
      await this.#tells?.finish();
      await this.#shipper?.finish(defaults.outputDrainMs);
    }
  }

  async #gather(jobIds: readonly string[]): Promise<InputFile[]> {
    const kill = AbortSignal.any([this.kill, this.stop]);
    const caller = new AttemptCaller({ ...this.#callerDeps(), kill });
    const { client } = this.#deps;
    return await gatherInputs({ client, ask: (what, call) => caller.ask(what, call) }, jobIds);
  }

  #makeTells(): AttemptTells {
    const { client, holder } = this.#deps;
    const started = (): Promise<void> => this.started();
    return new AttemptTells({ ...this.#callerDeps(), client, holder, started, attempt: this.claimed });
  }

  #callerDeps(): AttemptCallerDeps {
    const { clock, random, log, isServerAway } = this.#deps;
    const onFenced = (): void => this.#fenced('what it tells');
    return { clock, random, log, isServerAway, onFenced, kill: this.kill };
  }

  #makeShipper(): LogShipper {
    const { clock, random, log, isServerAway } = this.#deps;
    return new LogShipper({
      clock,
      random,
      log,
      isServerAway,
      append: (upload, signal) => this.#append(upload, signal),
      onFenced: () => this.#fenced('log'),
      kill: this.kill,
    });
  }

  async #tellStart(): Promise<void> {
    const { client, holder } = this.#deps;
    const { jobId, attempt } = this.claimed;
    const signal = AbortSignal.any([this.kill, this.stop]);
    try {
      await untilAnswered(this.#deps, 'startAttempt', signal, () =>
        client.call('startAttempt', {
          params: { id: jobId, attempt },
          body: holder,
          signal,
          timeoutMs: answerTimeoutMs,
        }),
      );
      failpoint('attempt-started');
    } catch (error) {
      if (isBlixardError(error, 'FENCED')) this.#fenced('start');
      throw error;
    }
  }

  async #append(upload: LogUpload, signal: AbortSignal): Promise<number> {
    const { client, holder } = this.#deps;
    const { jobId, attempt } = this.claimed;
    const { endOffset } = await client.call('appendLogs', {
      params: { id: jobId, attempt },
      query: { ...holder, offset: upload.offset, ...(upload.gap ? { gap: true } : {}) },
      body: upload.bytes,
      signal,
      timeoutMs: answerTimeoutMs,
    });
    return endOffset;
  }

  #fenced(by: string): void {
    const { jobId, attempt } = this.claimed;
    this.#deps.log.warn({ jobId, attempt, by }, 'this attempt is not ours any more, it is killed');
    this.forget();
  }

  #unknownExecutor(): string {
    const { executors } = this.#deps;
    const details = { executor: this.claimed.spec.executor, known: executors.names().join(', ') || 'none' };
    return new BlixardError('EXECUTOR_UNAVAILABLE', details).message;
  }
}

function summaryOf({ reason, exitCode, signal }: Outcome): Pick<Outcome, 'reason' | 'exitCode' | 'signal'> {
  return { reason, exitCode, signal };
}
