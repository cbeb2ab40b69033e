/** One running QEMU process. */
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { BlixardError, isBlixardError, problemOf } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import {
  type ProcessIdentity,
  type RunningVm,
  templateFiles,
  type VmExit,
  type VmSpec,
} from '../hypervisor.ts';
import { identify, killProcess } from '../process-table.ts';
import { agentFd, qmpFd, stateFd } from './arguments.ts';
import type { LockedCommand } from './lock-in.ts';
import { Qmp } from './qmp.ts';
import { infoFd, wordFd } from './sandbox.ts';
import { type End, endInside, letIn } from './sandboxed-process.ts';
import { spawnBound } from './spawn.ts';
import { receiveState } from './state-file.ts';
import { Words } from './words.ts';

/** What is started. */
export interface QemuVmDeps {
  readonly spec: VmSpec;
  readonly program: string;
  readonly args: readonly string[];
  readonly lock: LockedCommand;
  readonly clock: Clock;
  readonly log: Log;
}

/** Starts QEMU. Rejects with VM_BOOT_FAILED when the process cannot be started; then its lock is released. */
export async function startQemuVm(deps: QemuVmDeps): Promise<RunningVm> {
  try {
    return await start(deps);
  } catch (error) {
    await deps.lock.release();
    throw error;
  }
}

async function start(deps: QemuVmDeps): Promise<RunningVm> {
  const state = await openState(deps.spec);
  try {
    const child = spawnQemu(deps, state);
    // A child without a pid has no streams either when this process is out of descriptors.
    if (child.pid === undefined) throw await spawnFailure(child);
    const ended = endOf(child);
    try {
      return await vmOf(deps, child, child.pid, ended);
    } catch (error) {
      // Nobody else knows of it.
      child.kill('SIGKILL');
      await ended;
      for (const stream of child.stdio) stream?.destroy();
      throw isBlixardError(error) ? error : bootFailed(error);
    }
  } finally {
    await state?.close();
  }
}

async function vmOf(
  { spec, lock, clock, log }: QemuVmDeps,
  child: ChildProcess,
  pid: number,
  ended: Promise<End>,
): Promise<RunningVm> {
  // At once: until the event loop turns, not even a process that has ended is reaped.
  const started = identify(pid);
  const [channel, qmpChannel] = [child.stdio[agentFd], child.stdio[qmpFd]];
  if (started === undefined || !(channel instanceof Duplex) || !(qmpChannel instanceof Duplex)) {
    throw bootFailed(new Error(`process ${pid} is not in /proc`));
  }
  channel.on('error', (error) => log.debug({ err: error, vmId: spec.id }, 'agent channel'));
  const words = new Words(child);
  const identity = lock.isSandboxed ? await letIn(child, started, clock) : started;
  return new QemuVm({ spec, identity, child, ended, words, lock, channel, qmpChannel, log });
}

/** The saved state to start from: QEMU inherits the open file, and needs no right to open it. */
async function openState({ template }: VmSpec): Promise<FileHandle | undefined> {
  if (template?.act !== 'start') return undefined;
  try {
    return await open(join(template.dir, templateFiles.state), 'r');
  } catch (error) {
    throw bootFailed(error);
  }
}

function spawnQemu({ program, args, spec, lock }: QemuVmDeps, state: FileHandle | undefined): ChildProcess {
  // Standard input, console, what QEMU says; the agent channel and the control channel: socket pairs, nobody else's.
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'];
  // Without a hole: the list would close up over it.
  stdio[stateFd] = state?.fd ?? 'ignore';
  if (lock.isSandboxed) stdio[infoFd] = stdio[wordFd] = 'pipe';
  const [first = program, ...rest] = [...lock.words, program, ...args];
  try {
    return spawnBound(first, rest, { cwd: spec.runDir, stdio });
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

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once('exit', (...how) => resolve(how));
  });
}

class QemuVm implements RunningVm {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly channel: Duplex;
  readonly exited: Promise<VmExit>;
  readonly #spec: VmSpec;
  readonly #child: ChildProcess;
  readonly #lock: LockedCommand;
  readonly #qmp: Qmp;
  readonly #qmpChannel: Duplex;
  readonly #words: Words;
  readonly #log: Log;
  /** Undefined while it waits. */
  #loaded: Promise<void> | undefined;

  constructor(deps: {
    spec: VmSpec;
    identity: ProcessIdentity;
    child: ChildProcess;
    ended: Promise<End>;
    words: Words;
    lock: LockedCommand;
    channel: Duplex;
    qmpChannel: Duplex;
    log: Log;
  }) {
    this.id = deps.spec.id;
    this.identity = deps.identity;
    this.channel = deps.channel;
    this.#spec = deps.spec;
    this.#child = deps.child;
    this.#lock = deps.lock;
    this.#words = deps.words;
    this.#log = deps.log;
    this.#qmpChannel = deps.qmpChannel;
    this.exited = this.#watch(deps.ended);
    this.#qmp = new Qmp({ channel: deps.qmpChannel });
    const { act, waits = false } = deps.spec.template ?? {};
    if (act !== 'start') this.#loaded = Promise.resolve();
    else if (!waits) this.#loaded = this.#load();
  }

  console(): string {
    return this.#words.console.text();
  }

  async answers(): Promise<void> {
    await this.#qmp.execute('query-status');
  }

  async pause(): Promise<void> {
    await this.#loaded;
    await this.#qmp.execute('stop');
  }

  async resume(): Promise<void> {
    this.#loaded ??= this.#load();
    await this.#loaded;
    await this.#qmp.execute('cont');
  }

  async save(): Promise<void> {
    const { template, runDir } = this.#spec;
    if (template?.act !== 'make') {
      throw new BlixardError('VMM_REFUSED', { act: 'save', problem: 'the VM was not started to be saved' });
    }
    await this.pause();
    const file = join(template.dir, templateFiles.state);
    await receiveState(runDir, file, (uri) => this.#qmp.migrate('migrate', uri), this.#lock.user);
  }

  async kill(): Promise<VmExit> {
    this.#end();
    const exit = await this.exited;
    // Nobody may be left who would read it to its end.
    this.channel.destroy();
    return exit;
  }

  /** Takes in the saved state, which ends paused as it was saved; a VM that cannot is ended. */
  async #load(): Promise<void> {
    try {
      await this.#qmp.migrate('migrate-incoming', `fd:${stateFd}`);
      await this.#qmp.execute('cont');
    } catch (error) {
      this.#words.stderr.push(Buffer.from(`\ncould not start from the template: ${problemOf(error)}`));
      this.#end();
    }
  }

  /** QEMU first: bubblewrap then takes note of its end, or nobody might, and ends, too. */
  #end(): void {
    try {
      if (this.#lock.isSandboxed && killProcess(this.identity)) return;
    } catch (error) {
      this.#log.warn({ err: error, vmId: this.id }, 'QEMU cannot be looked for, its sandbox is ended');
    }
    this.#child.kill('SIGKILL');
  }

  /** Waits for the process and for its last words, not for the channel: that is its reader's to drain. */
  async #watch(ended: Promise<End>): Promise<VmExit> {
    const end = await ended;
    this.#qmpChannel.destroy();
    await Promise.all([this.#words.whole, this.#loaded]);
    await this.#lock.release();
    const [code, signal] = this.#lock.isSandboxed ? endInside(end) : end;
    return { code, signal, stderr: this.#words.stderr.text().trim() };
  }
}
