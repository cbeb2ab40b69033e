/** The CLI for tests: real commands against a real control plane, with a terminal and signals played by the test. */
import { Readable } from 'node:stream';
import { BlixardClient } from '../client/client.ts';
import type { Transport } from '../client/transport.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import type { CliContext, HostCommands, Interrupt } from './context.ts';
import { runCli } from './program.ts';
import { OutputClosed, type OutputName, type Terminal } from './terminal.ts';

/** Remembers what was written; a person looks at it where `tty` says so. */
export class TestTerminal implements Terminal {
  readonly columns = undefined;
  readonly #tty: boolean;
  readonly #written: Record<OutputName, Buffer[]> = { stdout: [], stderr: [] };
  /** Set them to let the reader of a stream go. */
  stdoutIsClosed = false;
  stderrIsClosed = false;
  /** Awaited before each write. */
  onWrite: (() => Promise<void>) | undefined;

  constructor(options: { readonly tty?: boolean } = {}) {
    this.#tty = options.tty === true;
  }

  isTty(): boolean {
    return this.#tty;
  }

  hasColour(): boolean {
    return false;
  }

  async write(stream: OutputName, data: string | Uint8Array): Promise<void> {
    await this.onWrite?.();
    if (stream === 'stdout' ? this.stdoutIsClosed : this.stderrIsClosed) throw new OutputClosed(stream);
    this.#written[stream].push(Buffer.from(data));
  }

  bytes(stream: OutputName): Buffer {
    return Buffer.concat(this.#written[stream]);
  }

  get stdout(): string {
    return this.bytes('stdout').toString();
  }

  get stderr(): string {
    return this.bytes('stderr').toString();
  }
}

/** What surrounds one call of the program. */
export interface SceneOptions {
  readonly transport: () => Transport;
  readonly terminal?: TestTerminal;
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  readonly host?: Partial<HostCommands>;
}

/** One call of the program. */
export class CliScene {
  readonly terminal: TestTerminal;
  readonly #options: SceneOptions;
  readonly #listeners = new Set<(signal: Interrupt) => void>();

  constructor(options: SceneOptions) {
    this.#options = options;
    this.terminal = options.terminal ?? new TestTerminal();
  }

  /** Runs a command line to its end; resolves with the exit code. */
  run(...args: readonly string[]): Promise<number> {
    return runCli(args, this.#context());
  }

  /** Ctrl-C, or SIGTERM. */
  interrupt(signal: Interrupt = 'SIGINT'): void {
    for (const listener of this.#listeners) listener(signal);
  }

  #context(): CliContext {
    const { transport, stdin = '', env = {}, clock = realClock, host = {} } = this.#options;
    return {
      version: '1.2.3',
      actor: 'ann@desk',
      terminal: this.terminal,
      stdin: Readable.from([typeof stdin === 'string' ? Buffer.from(stdin) : stdin]),
      env,
      clock,
      host: { ...noHost, ...host },
      configFlags: () => [{ name: 'server', placeholder: '<url>', about: 'control node to talk to' }],
      connect: async () => new BlixardClient({ transport: transport() }),
      onInterrupt: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }
}

const refuse = (): Promise<never> => Promise.reject(new Error('this test has no host'));
const noHost: HostCommands = {
  up: refuse,
  server: refuse,
  worker: refuse,
  doctor: refuse,
  verify: refuse,
  config: refuse,
  listImages: refuse,
  getImage: refuse,
  removeImages: refuse,
  collectImageGarbage: refuse,
  buildImage: refuse,
  warmImage: refuse,
};
