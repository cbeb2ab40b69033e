/** What every executor must do; run against each of them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SubmitJob, specOf } from '../contract/job.ts';
import type { LogStream } from '../contract/log.ts';
import { BlixardError } from '../domain/errors.ts';
import type { Execution, Executor, InputFile, ProgressTold } from './executor.ts';

/** What a command tells. */
export interface Told {
  readonly percent?: number;
  readonly message?: string;
  readonly result?: string;
  /** Text by name. */
  readonly artifacts?: Readonly<Record<string, string>>;
}

/** An executor under test, and how to say things in the commands it runs. */
export interface ExecutorContext {
  readonly executor: Executor;
  readonly commands: {
    exit(code: number): string[];
    /** Ends itself by this signal. */
    signal(number: number): string[];
    /** Prints the text and a line end. */
    print(text: string): string[];
    printError(text: string): string[];
    /** Copies its standard input to its standard output. */
    cat(): string[];
    /** Runs for long and ends on SIGTERM. */
    sleepLong(): string[];
    /** Runs for long, whatever SIGTERM says. */
    stubborn(): string[];
    /** Prints this many bytes as fast as it can. */
    flood(bytes: number): string[];
    /** Writes progress (a line), result and artifacts, as far as they are given, and ends with 0. */
    tell(told: Told): string[];
    /** Prints an input. */
    showInput(name: string): string[];
  };
  /** Commands or VMs that run now. */
  live(): number | Promise<number>;
  close(): Promise<void>;
}

/** One attempt as a worker would run it, and what became of it. */
export class TestExecution implements Execution {
  readonly jobId = '019a0000-0000-7000-8000-000000000001';
  readonly attempt = 3;
  readonly spec: Execution['spec'];
  readonly written: Record<LogStream, Buffer[]> = { stdout: [], stderr: [] };
  readonly stopper = new AbortController();
  readonly killer = new AbortController();
  starts = 0;
  inputs: InputFile[] = [];
  readonly toldProgress: ProgressTold[] = [];
  readonly results: string[] = [];
  /** Whole ones, by name. */
  readonly artifacts: Record<string, string> = {};
  /** What taking a result, or a piece of an artifact, waits for. */
  onTaken: (what: string) => Promise<void> = async () => undefined;
  #parts: Buffer[] = [];
  /** What `started` answers with, and what each piece of output waits for. */
  onStarted: () => Promise<void> = async () => undefined;
  onOutput: () => Promise<void> = async () => undefined;

  constructor(submit: SubmitJob) {
    this.spec = specOf({ cwd: '/', ...submit });
  }

  get stop(): AbortSignal {
    return this.stopper.signal;
  }

  get kill(): AbortSignal {
    return this.killer.signal;
  }

  async output(stream: LogStream, data: Buffer): Promise<void> {
    this.written[stream].push(Buffer.from(data));
    await this.onOutput();
  }

  progress(told: ProgressTold): void {
    this.toldProgress.push(told);
  }

  async result(json: Buffer): Promise<void> {
    await this.onTaken('result');
    this.results.push(json.toString());
  }

  async artifact(name: string, data: Buffer, last: boolean): Promise<void> {
    await this.onTaken(name);
    this.#parts.push(Buffer.from(data));
    if (last) this.artifacts[name] = Buffer.concat(this.#parts.splice(0)).toString();
  }

  async started(): Promise<void> {
    this.starts++;
    await this.onStarted();
  }

  text(stream: LogStream): string {
    return Buffer.concat(this.written[stream]).toString();
  }
}

/** Waits until `condition` holds; the test's own time limit ends it. */
export async function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Stop and kill, alike for all. */
function stopping(context: () => ExecutorContext): void {
  it('ends a command that runs longer than its timeout', async () => {
    const { executor, commands } = context();
    const execution = new TestExecution({ command: commands.sleepLong(), timeoutMs: 50 });
    expect(await executor.run(execution)).toMatchObject({ reason: 'timeout', exitCode: null });
  });

  it('ends a command when asked to, also one that does not listen', async () => {
    const { executor, commands } = context();
    for (const command of [commands.sleepLong(), commands.stubborn()]) {
      const execution = new TestExecution({ command });
      const running = executor.run(execution);
      await waitUntil(() => execution.starts === 1);
      execution.stopper.abort('cancelled');
      expect(await running).toMatchObject({ reason: 'cancelled', exitCode: null });
    }
    await waitUntil(async () => (await context().live()) === 0);
  });

  it('does not start a command that is cancelled before', async () => {
    const { executor, commands } = context();
    const execution = new TestExecution({ command: commands.print('side effect') });
    execution.stopper.abort('cancelled');
    expect(await executor.run(execution)).toMatchObject({ reason: 'cancelled' });
    expect(execution.text('stdout')).toBe('');
  });

  it('ends at once when killed, also while nobody takes its output', async () => {
    const { executor, commands } = context();
    const execution = new TestExecution({ command: commands.flood(100_000) });
    const killed = new Promise<void>((resolve) => execution.kill.addEventListener('abort', () => resolve()));
    execution.onOutput = () => killed;
    const running = executor.run(execution);
    await waitUntil(() => execution.written.stdout.length > 0);
    execution.killer.abort();
    await running;
    await waitUntil(async () => (await context().live()) === 0);
  });

  it('runs nothing when the job is not ours any more', async () => {
    const { executor, commands } = context();
    const execution = new TestExecution({ command: commands.print('side effect') });
    execution.onStarted = async () => {
      throw new BlixardError('FENCED', { problem: 'another worker has it' });
    };
    await executor.run(execution);
    expect(execution.text('stdout')).toBe('');
    await waitUntil(async () => (await context().live()) === 0);
  });
}

/** Progress, result, artifacts and inputs, alike for all. */
function telling(context: () => ExecutorContext): void {
  it('hands over progress, result and artifacts before it tells the end', async () => {
    const { executor, commands } = context();
    const result = '{"answer": 42, "big": 12345678901234567890}';
    const artifacts = { 'a.txt': 'first', 'dir/b.txt': 'x'.repeat(200_000), empty: '' };
    const told = { percent: 40, message: 'compiling', result, artifacts };
    const execution = new TestExecution({ command: commands.tell(told) });
    const outcome = await executor.run(execution);
    expect(outcome).toMatchObject({ reason: 'exit', exitCode: 0, message: null });
    expect(execution.toldProgress.at(-1)).toEqual({ percent: 40, message: 'compiling' });
    expect(execution.results).toEqual([result]);
    expect(execution.artifacts).toEqual(artifacts);
  });

  it('ends as its command did when what it left is refused, and says what was', async () => {
    const { executor, commands } = context();
    const artifacts = { bad: 'x', good: 'y' };
    const execution = new TestExecution({ command: commands.tell({ result: '1', artifacts }) });
    execution.onTaken = async (what) => {
      if (what !== 'good') throw new BlixardError('DISK_FULL', { problem: `no room for ${what}` });
    };
    const outcome = await executor.run(execution);
    expect(outcome).toMatchObject({ reason: 'exit', exitCode: 0 });
    expect(outcome.message).toContain('no room for bad');
    expect(outcome.message).toContain('no room for result');
    expect(execution.artifacts).toEqual({ good: 'y' });
  });

  it('puts inputs in place before the command runs', async () => {
    const { executor, commands } = context();
    const name = '019a0000-0000-7000-8000-000000000009/artifacts/dir/data.txt';
    const execution = new TestExecution({ command: commands.showInput(name) });
    const pieces = ['one ', 'x'.repeat(2_500_000), ' three'];
    execution.inputs = [
      {
        name,
        read: async function* () {
          for (const piece of pieces) yield Buffer.from(piece);
        },
      },
    ];
    expect(await executor.run(execution)).toMatchObject({ reason: 'exit', exitCode: 0 });
    expect(execution.text('stdout') === pieces.join('')).toBe(true);
  });
}

/** Runs the conformance tests. `make` gives a fresh context for each. */
export function executorSuite(name: string, make: () => Promise<ExecutorContext>): void {
  describe(`${name} as an executor`, () => {
    let made: ExecutorContext | undefined;
    const context = (): ExecutorContext => {
      if (made === undefined) throw new Error('the context is not made yet');
      return made;
    };
    beforeEach(async () => {
      made = await make();
    });
    afterEach(async () => {
      await made?.close();
      made = undefined;
    });

    it('tells exit code and usage', async () => {
      const { executor, commands } = context();
      expect(executor.unavailable()).toBeNull();
      for (const code of [0, 3, 255]) {
        const execution = new TestExecution({ command: commands.exit(code) });
        const outcome = await executor.run(execution);
        expect(outcome).toMatchObject({ reason: 'exit', exitCode: code, signal: null, message: null });
        expect(outcome.usage?.wallMs).toBeGreaterThanOrEqual(0);
        expect(execution.starts).toBe(1);
      }
      await waitUntil(async () => (await context().live()) === 0);
    });

    it('tells the signal that ended the command', async () => {
      const { executor, commands } = context();
      const outcome = await executor.run(new TestExecution({ command: commands.signal(9) }));
      expect(outcome).toMatchObject({ reason: 'signal', exitCode: null, signal: 9 });
    });

    it('hands over both streams apart, before it tells the end', async () => {
      const { executor, commands } = context();
      const out = new TestExecution({ command: commands.print('to stdout') });
      await executor.run(out);
      expect([out.text('stdout'), out.text('stderr')]).toEqual(['to stdout\n', '']);
      const err = new TestExecution({ command: commands.printError('to stderr') });
      await executor.run(err);
      expect([err.text('stdout'), err.text('stderr')]).toEqual(['', 'to stderr\n']);
    });

    it('says it has started before the first output', async () => {
      const { executor, commands } = context();
      const execution = new TestExecution({ command: commands.print('x') });
      let startedBeforeOutput = false;
      execution.onOutput = async () => {
        startedBeforeOutput = execution.starts === 1;
      };
      await executor.run(execution);
      expect(startedBeforeOutput).toBe(true);
    });

    it('gives the command its standard input, all byte values unchanged', async () => {
      const { executor, commands } = context();
      const stdin = Buffer.from(Uint8Array.from({ length: 70_000 }, (_, index) => index % 256));
      const execution = new TestExecution({ command: commands.cat(), stdinBase64: stdin.toString('base64') });
      await executor.run(execution);
      expect(Buffer.concat(execution.written.stdout).equals(stdin)).toBe(true);
    });

    it('holds the command back while its output is not taken, and loses none of it', async () => {
      const { executor, commands } = context();
      const execution = new TestExecution({ command: commands.flood(3_000_000) });
      execution.onOutput = () => new Promise((resolve) => setTimeout(resolve, 1));
      expect(await executor.run(execution)).toMatchObject({ reason: 'exit', exitCode: 0 });
      expect(Buffer.concat(execution.written.stdout).length).toBe(3_000_000);
    });

    stopping(context);
    telling(context);
  });
}
