/** An executor without VMs for tests and simulations: the job's command is its script. */
import { asBlixardError, problemOf } from '../../domain/errors.ts';
import { attemptReasonNames, type EndReason } from '../../domain/job.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Execution, Executor, Outcome, ProgressTold } from '../executor.ts';
import { outcome, outcomeOfError, withNotes } from '../outcome.ts';

/** One step; an outcome ends the command, undefined goes on with the next step. */
type Step = (run: FakeRun, ...args: string[]) => Promise<Outcome | undefined>;

const usage = { wallMs: 1, cpuMs: 1, memoryPeakKiB: 1_024 };

/**
 * The words a script is made of, steps apart by `;`: `print TEXT`, `print-error TEXT`, `bytes COUNT` (a pattern of
 * all byte values), `stdin` (echoes it), `sleep MS`, `ignore-stop`, `exit CODE`, `signal N`, `end REASON MESSAGE`,
 * `progress PERCENT MESSAGE`, `chatter COUNT` (progress, that often), `result JSON`, `artifact NAME TEXT`,
 * `input NAME` (prints it).
 */
const words: Readonly<Record<string, Step>> = {
  print: (run, text = '') => run.write('stdout', Buffer.from(text)),
  'print-error': (run, text = '') => run.write('stderr', Buffer.from(text)),
  bytes: (run, count = '0') => run.write('stdout', patternOfBytes(Number(count))),
  stdin: (run) => run.write('stdout', Buffer.from(run.execution.spec.stdinBase64, 'base64')),
  progress: (run, percent = '', message = '') => run.progress({ percent: Number(percent), message }),
  chatter: (run, count = '0') => run.chatter(Number(count)),
  result: (run, text = '') => run.handOver(run.execution.result(Buffer.from(text))),
  artifact: (run, name = '', text = '') => run.artifact(name, Buffer.from(text)),
  input: (run, name = '') => run.printInput(name),
  sleep: (run, ms = '0') => run.sleep(Number(ms)),
  'ignore-stop': (run) => run.ignoreStop(),
  exit: async (_run, code = '0') => outcome('exit', { exitCode: Number(code), usage }),
  signal: async (_run, number = '9') => outcome('signal', { signal: Number(number), usage }),
  end: async (_run, reason = 'internal', message = '') => outcome(endReasonOf(reason), { message }),
};

/** Every byte value in turn. */
export function patternOfBytes(count: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: count }, (_, index) => index % 256));
}

/** What a fake is built from. */
export interface FakeExecutorDeps {
  readonly clock: Clock;
  /** Default `fake`. */
  readonly name?: string;
  /** Stop to the kill of a command that ignores it; default 20 ms. */
  readonly stopGraceMs?: number;
  /** Whether it leaves its starts to be told by what is told first; default false. */
  readonly isLight?: boolean;
}

/** Runs scripts in this process, and remembers which attempts it began. */
export class FakeExecutor implements Executor {
  readonly name: string;
  readonly isLight: boolean;
  /** Attempts whose command was begun, in order, as `jobId/attempt`: what had side effects. */
  readonly begun: string[] = [];
  /** Commands running now. */
  live = 0;
  /** Set it to make the executor unavailable. */
  unavailableReason: string | null = null;
  readonly #deps: FakeExecutorDeps;

  constructor(deps: FakeExecutorDeps) {
    this.name = deps.name ?? 'fake';
    this.isLight = deps.isLight ?? false;
    this.#deps = deps;
  }

  unavailable(): string | null {
    return this.unavailableReason;
  }

  async run(execution: Execution): Promise<Outcome> {
    try {
      if (execution.stop.aborted) return outcome('cancelled', { message: 'stopped before it began' });
      if (!this.isLight) await execution.started();
      this.begun.push(`${execution.jobId}/${execution.attempt}`);
      this.live++;
      try {
        return await new FakeRun(execution, this.#deps).run();
      } finally {
        this.live--;
      }
    } catch (error) {
      return outcomeOfError(asBlixardError(error), null);
    }
  }
}

class FakeRun {
  readonly execution: Execution;
  readonly #deps: FakeExecutorDeps;
  readonly #over = new AbortController();
  readonly #notes: string[] = [];
  #ignoresStop = false;

  constructor(execution: Execution, deps: FakeExecutorDeps) {
    this.execution = execution;
    this.#deps = deps;
  }

  async run(): Promise<Outcome> {
    const timeout = this.#signalAfter(this.execution.spec.timeoutMs);
    try {
      for (const [word = '', ...args] of stepsOf(this.execution.spec.command)) {
        const step = words[word];
        if (step === undefined) return outcome('exit', { exitCode: 127, message: `no word ${word}` });
        const end = await this.#unlessCut(step(this, ...args), timeout.signal);
        if (end !== undefined) return withNotes(end, this.#notes);
      }
      return withNotes(outcome('exit', { exitCode: 0, usage }), this.#notes);
    } finally {
      timeout.cancel();
      this.#over.abort();
    }
  }

  async write(stream: 'stdout' | 'stderr', data: Buffer): Promise<undefined> {
    await this.execution.output(stream, data);
  }

  async progress(told: ProgressTold): Promise<undefined> {
    this.execution.progress(told);
  }

  async chatter(count: number): Promise<undefined> {
    for (let n = 0; n < count; n++) this.execution.progress({ percent: n % 100, message: `step ${n}` });
  }

  /** What is refused is noted, as the real one does. */
  async handOver(given: Promise<void>): Promise<undefined> {
    try {
      await given;
    } catch (error) {
      this.#notes.push(problemOf(error));
    }
  }

  async artifact(name: string, data: Buffer): Promise<undefined> {
    await this.handOver(this.execution.artifact(name, data, false));
    await this.handOver(this.execution.artifact(name, Buffer.alloc(0), true));
  }

  async printInput(name: string): Promise<undefined> {
    const input = this.execution.inputs.find((file) => file.name === name);
    if (input === undefined) return await this.write('stderr', Buffer.from(`no input ${name}\n`));
    for await (const piece of input.read(this.execution.kill)) await this.write('stdout', piece);
  }

  async sleep(ms: number): Promise<undefined> {
    await sleep(this.#deps.clock, ms, this.#over.signal);
  }

  async ignoreStop(): Promise<undefined> {
    this.#ignoresStop = true;
  }

  #signalAfter(ms: number): { signal: AbortSignal; cancel: () => void } {
    const late = new AbortController();
    const timer = this.#deps.clock.after(ms, () => late.abort());
    return { signal: late.signal, cancel: () => timer.cancel() };
  }

  #unlessCut(step: Promise<Outcome | undefined>, timeout: AbortSignal): Promise<Outcome | undefined> {
    const { stop, kill } = this.execution;
    return new Promise((resolve, reject) => {
      const cut = (reason: EndReason, message: string) => (): void => {
        const graceMs = this.#ignoresStop ? (this.#deps.stopGraceMs ?? 20) : 0;
        this.#deps.clock.after(graceMs, () => resolve(outcome(reason, { message })));
      };
      whenAborted(stop, cut('cancelled', 'stopped'));
      whenAborted(timeout, cut('timeout', 'too late'));
      whenAborted(kill, () => resolve(outcome('internal', { message: 'killed' })));
      step.then(resolve, reject);
    });
  }
}

function whenAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener('abort', act, { once: true });
}

function stepsOf(command: readonly string[]): string[][] {
  const steps: string[][] = [[]];
  for (const word of command) {
    if (word === ';') steps.push([]);
    else steps.at(-1)?.push(word);
  }
  return steps;
}

function endReasonOf(name: string): EndReason {
  return attemptReasonNames.find((reason) => reason === name) ?? 'internal';
}
