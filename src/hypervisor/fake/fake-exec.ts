/** One command in a fake guest: its input, its output within the credit, its signals, its end. */
import { type ExecSpec, guestFrames, stdinCreditBytes } from '../../contract/guest.ts';
import { limits } from '../../domain/limits.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { CommandEnd, CommandIo, FakeCommands } from './fake-commands.ts';
import type { FakeFiles } from './fake-files.ts';
import type { FakeGuest } from './fake-guest.ts';
import type { FakeLimits } from './fake-limits.ts';

/** What a command may do to the VM it runs in. */
export interface GuestControl {
  powerOff(): void;
  crash(words: string): void;
}

export interface FakeExecDeps {
  readonly spec: ExecSpec;
  /** What argv may begin with. */
  readonly commands: FakeCommands;
  readonly files: FakeFiles;
  readonly limits: FakeLimits;
  readonly clock: Clock;
  readonly vm: GuestControl;
  readonly guest: FakeGuest;
  /** Sends a frame on the stream of this command. */
  send(type: number, payload: Buffer): void;
  /** Writes to the channel what is no frame. */
  sendRaw(bytes: Buffer): void;
}

const sigkill = 9;
/** A header that announces more than any frame may hold. */
const brokenHeader = Buffer.alloc(9, 0xff);

/** As the real agent and shells have it. */
async function notFound(program: string, io: CommandIo): Promise<CommandEnd> {
  await io.stderr(`blixard: cannot run '${program}': No such file or directory\n`);
  return { code: 127 };
}

export class FakeExec {
  readonly #deps: FakeExecDeps;
  readonly #ended = new AbortController();
  readonly #killed: Promise<CommandEnd>;
  #endBySignal: (end: CommandEnd) => void = () => undefined;
  #ignoresSignals = false;
  #outputCredit: number = limits.streamCreditBytes;
  #stdinCredit = stdinCreditBytes;
  #stdin: Buffer[] = [];
  #stdinEnded = false;
  /** Wakes whoever waits for input or for credit; both look again. */
  #wake: () => void = () => undefined;

  constructor(deps: FakeExecDeps) {
    this.#deps = deps;
    this.#killed = new Promise((resolve) => {
      this.#endBySignal = resolve;
    });
  }

  /** Runs the command and sends `exited`. */
  async run(): Promise<void> {
    const { spec, commands, clock } = this.#deps;
    const [program = '', ...args] = spec.argv;
    const command = commands[program];
    const startMs = clock.monotonicMs();
    const io = this.#io(args);
    const end = await Promise.race([
      command === undefined ? notFound(program, io) : command(io),
      this.#killed,
    ]);
    this.#ended.abort();
    const wallMs = Math.round(clock.monotonicMs() - startMs);
    const { code, signal = 0, oom = false, diskFull = false } = end;
    const reply = { code, signal, wallMs, cpuMs: 0, maxRssKiB: 1024, oom, diskFull };
    this.#deps.send(guestFrames.exited, Buffer.from(JSON.stringify(reply)));
  }

  signal(number: number): void {
    if (this.#ignoresSignals && number !== sigkill) return;
    this.#endBySignal({ code: -1, signal: number });
  }

  grant(bytes: number): void {
    this.#outputCredit += bytes;
    this.#wake();
  }

  giveStdin(bytes: Buffer): void {
    this.#stdinCredit -= bytes.length;
    if (this.#stdinCredit < 0) this.#deps.vm.crash('agent: more stdin than was granted');
    else this.#stdin.push(bytes);
    this.#wake();
  }

  endStdin(): void {
    this.#stdinEnded = true;
    this.#wake();
  }

  #io(args: readonly string[]): CommandIo {
    const { spec, files, limits: taken, clock, vm, guest } = this.#deps;
    return {
      ...{ spec, guest, args, files, limits: taken },
      stdout: (data) => this.#write(guestFrames.stdout, Buffer.from(data)),
      stderr: (data) => this.#write(guestFrames.stderr, Buffer.from(data)),
      stdin: () => this.#readStdin(),
      sleep: (ms) => sleep(clock, ms, this.#ended.signal),
      ignoreSignals: () => {
        this.#ignoresSignals = true;
      },
      crashVm: () => vm.crash('Kernel panic - not syncing: scripted'),
      powerOffVm: () => vm.powerOff(),
      breakProtocol: () => this.#deps.sendRaw(brokenHeader),
    };
  }

  async #write(type: number, data: Buffer): Promise<void> {
    for (let rest = data; rest.length > 0; ) {
      while (this.#outputCredit === 0) await this.#woken();
      if (this.#ended.signal.aborted) return;
      const part = rest.subarray(0, Math.min(this.#outputCredit, limits.frameBytes));
      this.#outputCredit -= part.length;
      this.#deps.send(type, part);
      rest = rest.subarray(part.length);
    }
  }

  async *#readStdin(): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.#stdin.shift();
      if (chunk !== undefined) {
        this.#returnStdinCredit(chunk.length);
        yield chunk;
      } else if (this.#stdinEnded) return;
      else await this.#woken();
    }
  }

  #returnStdinCredit(bytes: number): void {
    this.#stdinCredit += bytes;
    const credit = Buffer.alloc(4);
    credit.writeUInt32LE(bytes);
    this.#deps.send(guestFrames.stdinCredit, credit);
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
