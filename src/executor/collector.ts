/** Takes in what the agent collects after a command, and hands it on. The guest may be hostile: all is bounded. */

import type { LogStream } from '../contract/log.ts';
import { isArtifactName } from '../domain/artifact-name.ts';
import { defaults } from '../domain/defaults.ts';
import { asBlixardError, BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { formatDurationMs } from '../domain/units.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { type BundlePart, BundleReader } from '../vm/guest-bundle.ts';
import type { GuestExec } from '../vm/guest-session.ts';
import type { Execution } from './executor.ts';

/** Notes that are kept; the message of an attempt has room for few. */
const notesMax = 10;
const printable = /[\p{Cc}\p{Cf}]+/gu;

/** The file that comes in; one that is not kept is read to its end all the same. */
interface Incoming {
  readonly what: 'result' | 'artifact';
  readonly name: string;
  bytes: number;
  kept: boolean;
  /** Of a result. */
  readonly parts: Buffer[];
}

/** One collection. */
export class Collector {
  readonly #execution: Execution;
  readonly #clock: Clock;
  readonly #halt: AbortSignal;
  readonly #reader = new BundleReader();
  readonly #notes: string[] = [];
  readonly #names = new Set<string>();
  #incoming: Incoming | undefined;
  #hadResult = false;
  #totalBytes = 0;
  #patienceMs: number = defaults.collectWaitMs;
  #waitingSinceMs = 0;
  #timer: Timer | undefined;
  #giveUp: (error: Error) => void = () => undefined;

  constructor(deps: { execution: Execution; clock: Clock; halt: AbortSignal }) {
    this.#execution = deps.execution;
    this.#clock = deps.clock;
    this.#halt = deps.halt;
  }

  /** What was not kept, and why. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  /** Takes output of the task; what it says on standard error says nothing that its files do not. */
  async take(stream: LogStream, data: Buffer): Promise<void> {
    if (stream !== 'stdout') return;
    this.#pause();
    for (const part of this.#reader.push(data)) await this.#takePart(part);
    this.#wait();
  }

  /** Resolves when all is taken. Rejects when the guest broke the rules or took too long, or when `halt` aborts. */
  async ended(task: GuestExec): Promise<void> {
    const over = new Promise<never>((_, reject) => {
      this.#giveUp = reject;
    });
    const halted = (): void => this.#giveUp(new Error('the attempt was stopped'));
    this.#halt.addEventListener('abort', halted, { once: true });
    if (this.#halt.aborted) halted();
    this.#wait();
    try {
      const { code } = await Promise.race([task.exited, over]);
      this.#reader.finish();
      if (code !== 0) this.note(`what it left was not collected to the end: exit code ${code}`);
    } finally {
      this.#pause();
      this.#giveUp = () => undefined;
      this.#halt.removeEventListener('abort', halted);
    }
  }

  note(text: string): void {
    if (this.#notes.length < notesMax) this.#notes.push(text.replace(printable, ' '));
  }

  async #takePart(part: BundlePart): Promise<void> {
    if (part.kind === 'note') this.note(part.text.toString('utf8'));
    else if (part.kind === 'file') this.#begin(part.what, part.name);
    else if (part.kind === 'bytes') await this.#takeBytes(part.data);
    else await this.#endFile(part.whole);
  }

  #begin(what: Incoming['what'], bytes: Buffer): void {
    const name = bytes.toString('utf8');
    const kept = what === 'result' ? this.#beginResult() : this.#beginArtifact(name, bytes);
    this.#incoming = { what, name, bytes: 0, kept, parts: [] };
  }

  #beginResult(): boolean {
    const isFirst = !this.#hadResult;
    this.#hadResult = true;
    return isFirst;
  }

  #beginArtifact(name: string, bytes: Buffer): boolean {
    const problem = this.#problemWith(name, bytes);
    if (problem === undefined) this.#names.add(name);
    else this.note(`artifact ${name.slice(0, limits.artifactNameBytes)}: ${problem}`);
    return problem === undefined;
  }

  #problemWith(name: string, bytes: Buffer): string | undefined {
    if (!Buffer.from(name).equals(bytes)) return 'its name is not UTF-8';
    if (!isArtifactName(name)) return 'its name is not allowed';
    if (this.#names.has(name)) return 'another one has that name';
    if (this.#names.size >= limits.artifactsMax) return `there are more than ${limits.artifactsMax}`;
    return undefined;
  }

  async #takeBytes(data: Buffer): Promise<void> {
    const file = this.#incoming;
    if (file === undefined) return;
    file.bytes += data.length;
    this.#totalBytes += data.length;
    if (this.#totalBytes > limits.artifactsBytes + limits.resultBytes) {
      throw new BlixardError('GUEST_PROTOCOL', {
        problem: `more than ${limits.artifactsBytes} bytes of files`,
      });
    }
    if (!file.kept) return;
    const bytesMax = file.what === 'result' ? limits.resultBytes : limits.artifactBytes;
    if (file.bytes > bytesMax) this.#drop(file, `it is larger than ${bytesMax} bytes`);
    else if (file.what === 'result') file.parts.push(data);
    else await this.#handOn(file, () => this.#execution.artifact(file.name, data, false));
  }

  async #endFile(whole: boolean): Promise<void> {
    const file = this.#incoming;
    this.#incoming = undefined;
    if (file === undefined || !file.kept) return;
    if (!whole) return this.#drop(file, 'it changed while it was read, or could not be read');
    if (file.what === 'result') await this.#handOn(file, () => this.#result(Buffer.concat(file.parts)));
    else await this.#handOn(file, () => this.#execution.artifact(file.name, Buffer.alloc(0), true));
  }

  /** Checked here, too: a result that is none is the job's own mistake, and costs no call. */
  async #result(bytes: Buffer): Promise<void> {
    try {
      JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch (error) {
      const { message } = error as Error;
      throw new BlixardError('RESULT_INVALID', { problem: message.slice(0, 100) }, { cause: error });
    }
    await this.#execution.result(bytes);
  }

  /** A file that is refused changes nothing for the others. */
  async #handOn(file: Incoming, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (this.#halt.aborted) throw error;
      this.#drop(file, asBlixardError(error).message);
    }
  }

  #drop(file: Incoming, problem: string): void {
    file.kept = false;
    this.note(file.what === 'result' ? `result dropped: ${problem}` : `artifact ${file.name}: ${problem}`);
  }

  /** Only the guest's own time counts: a slow server is not its doing. */
  #wait(): void {
    this.#waitingSinceMs = this.#clock.monotonicMs();
    this.#timer = this.#clock.after(Math.max(0, this.#patienceMs), () => {
      this.#giveUp(new Error(`the guest took longer than ${formatDurationMs(defaults.collectWaitMs)}`));
    });
  }

  #pause(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#patienceMs -= this.#clock.monotonicMs() - this.#waitingSinceMs;
  }
}
