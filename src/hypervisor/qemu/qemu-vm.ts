/** One running QEMU process. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Duplex, type Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Log } from '../../platform/log.ts';
import type { Accel, ProcessIdentity, RunningVm, VmExit, VmSpec } from '../hypervisor.ts';
import { identify } from '../process-table.ts';
import { TailBuffer } from '../tail-buffer.ts';
import { agentFd, qemuArguments } from './arguments.ts';
import { spawnBound } from './spawn.ts';

/** Starts QEMU. Rejects with VM_BOOT_FAILED when the process cannot be started. */
export async function startQemuVm(deps: {
  spec: VmSpec;
  program: string;
  accel: Accel;
  log: Log;
}): Promise<RunningVm> {
  const { spec, program, accel, log } = deps;
  const child = spawnQemu(program, qemuArguments(spec, accel), spec.runDir);
  // A child without a pid has no streams either when this process is out of descriptors.
  if (child.pid === undefined) throw await spawnFailure(child);
  // At once: until the event loop turns, not even a process that has ended is reaped.
  const identity = identify(child.pid);
  const channel = child.stdio[agentFd];
  if (identity === undefined || !(channel instanceof Duplex)) {
    child.kill('SIGKILL');
    throw bootFailed(new Error(`process ${child.pid} is not in /proc`));
  }
  channel.on('error', (error) => log.debug({ err: error, vmId: spec.id }, 'agent channel'));
  return new QemuVm({ id: spec.id, identity, child, channel });
}

function spawnQemu(program: string, args: readonly string[], cwd: string): ChildProcess {
  try {
    // Standard input, console, what QEMU says, and the agent channel: a socket pair, nameless and nobody else's.
    return spawnBound(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  } catch (error) {
    throw bootFailed(error);
  }
}

async function spawnFailure(child: ChildProcess): Promise<BlixardError> {
  const [error] = await once(child, 'error');
  return bootFailed(error);
}

function bootFailed(cause: unknown): BlixardError {
  return new BlixardError('VM_BOOT_FAILED', { problem: problemOf(cause) }, { cause });
}

class QemuVm implements RunningVm {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly channel: Duplex;
  readonly exited: Promise<VmExit>;
  readonly #child: ChildProcess;
  readonly #console = new TailBuffer({ bytesMax: limits.consoleBytes });
  readonly #stderr = new TailBuffer({ bytesMax: limits.vmmStderrBytes });

  constructor(deps: { id: string; identity: ProcessIdentity; child: ChildProcess; channel: Duplex }) {
    this.id = deps.id;
    this.identity = deps.identity;
    this.channel = deps.channel;
    this.#child = deps.child;
    this.exited = this.#watch();
  }

  console(): string {
    return this.#console.text();
  }

  async kill(): Promise<VmExit> {
    this.#child.kill('SIGKILL');
    const exit = await this.exited;
    // Nobody may be left who would read it to its end.
    this.channel.destroy();
    return exit;
  }

  /** Waits for the process and for its last words, not for the channel: that is its reader's to drain. */
  async #watch(): Promise<VmExit> {
    const words = [collect(this.#child.stdout, this.#console), collect(this.#child.stderr, this.#stderr)];
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      this.#child.once('exit', (...how) => resolve(how));
    });
    await Promise.all(words);
    return { code, signal, stderr: this.#stderr.text().trim() };
  }
}

async function collect(stream: Readable | null, tail: TailBuffer): Promise<void> {
  if (stream === null) return;
  stream.on('data', (chunk: Buffer) => tail.push(chunk));
  await finished(stream).catch((error) => tail.push(Buffer.from(`\n[output lost: ${problemOf(error)}]`)));
}
