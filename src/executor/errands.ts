/** What is done in the guest around a command: its run directory, inputs in, progress, result and artifacts out. */
import { constants } from 'node:os';
import { type ExecSpec, guestTasks } from '../contract/guest.ts';
import { tellEnv } from '../contract/result.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import type { GuestExec, GuestIo } from '../vm/guest-session.ts';
import { Collector } from './collector.ts';
import type { Execution, InputFile } from './executor.ts';
import { ProgressLines } from './progress-lines.ts';

const noBytes = new Uint8Array();
/** Exit code of a `put` whose disk is full: ENOSPC. */
const diskIsFull = 28;

/** The guest, as far as errands need one. */
interface TaskRunner {
  task(spec: ExecSpec, io: GuestIo): GuestExec;
}

/** An input that could not be put into the guest. */
export class InputFailure extends Error {
  readonly reason: 'input_missing' | 'disk_full';

  constructor(reason: InputFailure['reason'], message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** The errands of one attempt, from before its command to after it. */
export class Errands {
  readonly #guest: TaskRunner;
  readonly #execution: Execution;
  readonly #clock: Clock;
  readonly #dir: string;
  readonly #lines = new ProgressLines();
  #watch: GuestExec | undefined;

  constructor(deps: { guest: TaskRunner; execution: Execution; clock: Clock; runDir: string }) {
    this.#guest = deps.guest;
    this.#execution = deps.execution;
    this.#clock = deps.clock;
    this.#dir = deps.runDir;
  }

  /** What the command finds in its environment. */
  get env(): Readonly<Record<string, string>> {
    return {
      [tellEnv.result]: `${this.#dir}/result.json`,
      [tellEnv.progress]: `${this.#dir}/progress`,
      [tellEnv.artifacts]: `${this.#dir}/artifacts`,
      [tellEnv.inputs]: `${this.#dir}/inputs`,
    };
  }

  /** Makes the run directory; whatever the guest is asked next finds it. */
  begin(): void {
    this.#watch = this.#task(this.#dir, guestTasks.watch(), async (stream, data) => {
      if (stream === 'stdout') this.#tell(this.#lines.push(data));
    });
  }

  /** Puts all inputs into the guest. Rejects with InputFailure, or the error of a guest that broke down. */
  async bringInputs(halt: AbortSignal): Promise<void> {
    for (const input of this.#execution.inputs) await this.#bring(input, halt);
  }

  /**
   * Waits for the last progress and takes in what the command has left. Gives what was not kept, in words; never
   * rejects. Ends early, and says so, when `halt` aborts.
   */
  async finish(halt: AbortSignal): Promise<readonly string[]> {
    const [notes] = await Promise.all([this.#collect(halt), this.#endWatch()]);
    return notes;
  }

  async #bring(input: InputFile, halt: AbortSignal): Promise<void> {
    let offset = 0;
    for await (const piece of pieces(input, halt)) {
      for (let at = 0; at === 0 || at < piece.length; at += limits.stdinBytes) {
        const part = piece.subarray(at, at + limits.stdinBytes);
        await this.#put(input.name, offset, part);
        offset += part.length;
      }
    }
  }

  async #put(name: string, offset: number, bytes: Buffer): Promise<void> {
    let words = '';
    const output: GuestIo['output'] = async (_stream, data) => {
      words = (words + data.toString()).slice(0, limits.reasonLength);
    };
    const put = this.#task(`${this.#dir}/inputs`, guestTasks.put(offset, name), output, bytes);
    const { code } = await put.exited;
    if (code === 0) return;
    const reason = code === diskIsFull ? 'disk_full' : 'input_missing';
    throw new InputFailure(reason, `the input ${name} could not be put into the guest: ${words}`);
  }

  async #endWatch(): Promise<void> {
    const watch = this.#watch;
    if (watch === undefined) return;
    watch.signal(constants.signals.SIGTERM);
    const over = new AbortController();
    await Promise.race([
      watch.exited.then(nothing, nothing),
      sleep(this.#clock, defaults.progressDrainMs, over.signal),
    ]);
    over.abort();
    this.#tell(this.#lines.finish());
  }

  async #collect(halt: AbortSignal): Promise<readonly string[]> {
    const collector = new Collector({ execution: this.#execution, clock: this.#clock, halt });
    const paths = this.#execution.spec.artifacts ?? [];
    const task = this.#task(this.#dir, guestTasks.collect(paths), (stream, data) =>
      collector.take(stream, data),
    );
    try {
      await collector.ended(task);
    } catch (error) {
      task.signal(constants.signals.SIGKILL);
      collector.note(`what it left was not collected to the end: ${problemOf(error)}`);
    }
    return collector.notes;
  }

  #task(
    cwd: string,
    argv: readonly string[],
    output: GuestIo['output'],
    stdin: Uint8Array = noBytes,
  ): GuestExec {
    return this.#guest.task({ argv, env: [], cwd, uid: this.#execution.spec.uid }, { stdin, output });
  }

  #tell(told: ReturnType<ProgressLines['push']>): void {
    if (told !== undefined) this.#execution.progress(told);
  }
}

/** At least one piece, so that an empty file is made, too. */
async function* pieces(input: InputFile, halt: AbortSignal): AsyncGenerator<Buffer> {
  let some = false;
  try {
    for await (const piece of input.read(halt)) {
      some = true;
      yield piece;
    }
  } catch (error) {
    // Trouble with the server is not the input's.
    if (!(error instanceof BlixardError) || error.entry.fault !== 'caller') throw error;
    throw new InputFailure('input_missing', `the input ${input.name} cannot be had: ${error.message}`, error);
  }
  if (!some) yield Buffer.alloc(0);
}

function nothing(): void {
  // Progress is a courtesy: how its watcher ended changes nothing.
}
