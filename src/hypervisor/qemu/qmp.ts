/** The control channel of one QEMU (QMP): commands, their answers, and the end of a migration. */
import type { Duplex } from 'node:stream';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';

interface Waiting {
  readonly command: string;
  resolve(): void;
  reject(error: BlixardError): void;
}

/** What QEMU says: an answer to the oldest command, an event, or its greeting. */
interface Message {
  readonly id?: number;
  readonly error?: { readonly desc?: string };
  readonly event?: string;
  readonly data?: { readonly status?: string };
}

/** Speaks with one QEMU. Commands may follow one another without waiting: they are done in order. */
export class Qmp {
  readonly #channel: Duplex;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #unread = '';
  #migration: Waiting | undefined;
  #over: string | undefined;

  constructor(deps: { channel: Duplex }) {
    this.#channel = deps.channel;
    this.#channel.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#channel.on('error', (error) => this.#end(error.message));
    this.#channel.on('close', () => this.#end('its control channel ended'));
    this.#channel.on('end', () => this.#end('its control channel ended'));
    // A refusal would be told by the first command of the caller.
    void Promise.allSettled([this.execute('qmp_capabilities')]);
  }

  /** Resolves when QEMU has done it. Rejects with VMM_REFUSED. */
  execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = { command, resolve, reject };
      if (this.#over !== undefined) return reject(refused(command, this.#over));
      const id = ++this.#lastId;
      this.#waiting.set(id, waiting);
      this.#channel.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  /** Runs a command that starts a migration, in or out; resolves when that has completed. */
  async migrate(command: string, uri: string): Promise<void> {
    const capabilities = ['x-ignore-shared', 'events'].map((capability) => ({ capability, state: true }));
    const completed = new Promise<void>((resolve, reject) => {
      this.#migration = { command, resolve, reject };
    });
    await Promise.all([
      this.execute('migrate-set-capabilities', { capabilities }),
      this.execute(command, { uri }),
      completed,
    ]);
  }

  #receive(chunk: Buffer): void {
    if (this.#over !== undefined) return;
    const lines = (this.#unread + chunk.toString()).split('\n');
    this.#unread = lines.pop() ?? '';
    try {
      for (const line of lines) this.#accept(JSON.parse(line) as Message);
    } catch (error) {
      this.#end(`what it says cannot be read: ${problemOf(error)}`);
    }
    if (this.#unread.length > limits.qmpLineBytes) this.#end('it said a line that does not end');
  }

  #accept({ id, error, event, data }: Message): void {
    if (event === 'MIGRATION') this.#migrationIs(data?.status);
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve();
    else waiting.reject(refused(waiting.command, error.desc ?? 'it does not say why'));
  }

  #migrationIs(status: string | undefined): void {
    if (status === 'completed') this.#migration?.resolve();
    if (status === 'failed') this.#migration?.reject(refused(this.#migration.command, 'it failed'));
  }

  #end(problem: string): void {
    if (this.#over !== undefined) return;
    this.#over = problem;
    for (const waiting of [...this.#waiting.values(), this.#migration]) {
      waiting?.reject(refused(waiting.command, problem));
    }
    this.#waiting.clear();
    this.#channel.destroy();
  }
}

function refused(act: string, problem: string): BlixardError {
  return new BlixardError('VMM_REFUSED', { act, problem });
}
