/** One microVM of this host: its guest, its state and its end. */
import type { ExecSpec } from '../contract/guest.ts';
import type { VmFacts } from '../contract/job.ts';
import { BlixardError } from '../domain/errors.ts';
import { type VmState, vmMachine } from '../domain/vm.ts';
import type { RunningVm, VmExit } from '../hypervisor/hypervisor.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import type { Random } from '../platform/random.ts';
import type { GuestCommand, GuestExec, GuestIo, GuestOutput, GuestSession } from './guest-session.ts';
import { giveIdentity } from './identity.ts';
import { startZygote } from './zygote-start.ts';
import type { Zygote } from './zygotes.ts';

/** How a VM came to be at hand. */
export type VmStart = Pick<VmFacts, 'start' | 'bootMs' | 'startReason'>;

/** What is known of a VM before its agent has said hello. */
export type VmOrigin = Omit<VmFacts, keyof VmStart | 'zygote'>;

/** How large a VM is. */
export interface VmSize {
  readonly memoryMiB: number;
  readonly vcpus: number;
}

/** What is told of a VM while it lives. */
export interface VmTold extends VmSize {
  readonly state: VmState;
  readonly facts: VmFacts;
  /** Epoch ms. */
  readonly startedAtMs: number;
  /** For whom it runs, in the words of whoever asked for it; undefined while it waits in the pool. */
  readonly purpose: string | undefined;
}

/** Runs the way of every command once: shell, loader, C library. Programs that are not there do no harm. */
const warmUpCommand: ExecSpec = {
  argv: ['sh', '-c', 'env true'],
  env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  cwd: '/',
  uid: 0,
};

/** What a VM is made of. */
export interface MicroVmDeps {
  readonly running: RunningVm;
  readonly session: GuestSession;
  readonly origin: VmOrigin;
  readonly size: VmSize;
  readonly clock: Clock;
  readonly random: Random;
  /** Of its image; whether they run depends on its template. */
  readonly zygotes: readonly Zygote[];
}

/** A live VM; its folder and record are cleared away by whoever started it, once `exited` has resolved. */
export class MicroVm {
  readonly id: string;
  /** Resolves when the VMM has ended; never rejects. */
  readonly exited: Promise<VmExit>;
  readonly #deps: MicroVmDeps;
  #state: VmState = 'starting';
  #start: VmStart = { start: 'boot', bootMs: 0 };
  #endAsked = false;
  #purpose: string | undefined;
  #command: GuestCommand | undefined;
  readonly #startedAtMs: number;

  constructor(deps: MicroVmDeps) {
    this.id = deps.running.id;
    this.#deps = deps;
    this.#startedAtMs = deps.clock.nowMs();
    this.exited = this.#watch();
  }

  get state(): VmState {
    return this.#state;
  }

  get facts(): VmFacts {
    const command = this.#deps.zygotes.length === 0 ? undefined : this.#command;
    const zygote = command === undefined ? {} : { zygote: command.byZygote };
    return { ...this.#deps.origin, ...this.#start, ...zygote };
  }

  /** Waits for the agent and makes its guest one of its own. Rejects with VM_BOOT_FAILED. */
  async greet(timeoutMs: number): Promise<void> {
    const { session } = this.#deps;
    await session.hello(timeoutMs);
    await giveIdentity(session, this.id, this.#deps, timeoutMs);
    if (this.#state !== 'starting') {
      throw new BlixardError('VM_BOOT_FAILED', { problem: 'it ended right after its hello' });
    }
    this.#become('ready');
  }

  /** What is told of it to others. */
  get told(): VmTold {
    const { facts, state } = this;
    return { ...this.#deps.size, state, facts, startedAtMs: this.#startedAtMs, purpose: this.#purpose };
  }

  /** Says for whom it runs from now on. */
  serve(purpose: string): void {
    this.#purpose = purpose;
  }

  /** What its facts tell from now on. */
  tellStart(start: VmStart): void {
    this.#start = start;
  }

  /** Runs commands of no consequence, so that the next one finds all it needs in memory. */
  async warmUp(timeoutMs: number): Promise<void> {
    const output: GuestOutput = async () => undefined;
    const { session, zygotes } = this.#deps;
    for (const spec of [warmUpCommand, ...zygotes.map(({ warmUp }) => warmUp)]) {
      const { exited } = session.exec(spec, { stdin: new Uint8Array(), output });
      await this.#killedUnless(timeoutMs, exited);
    }
  }

  /** Starts the zygotes of its image; its clock is set back by it. Rejects with what hinders one. */
  async startZygotes(timeoutMs: number): Promise<void> {
    const { session, zygotes } = this.#deps;
    for (const zygote of zygotes) {
      await this.#killedUnless(timeoutMs, startZygote(session, this.id, zygote, this.#deps, timeoutMs));
    }
  }

  /** Stops the guest's processors. */
  async pause(timeoutMs: number): Promise<void> {
    await this.#killedUnless(timeoutMs, this.#deps.running.pause());
  }

  /** Lets a paused guest go on as one of its own. A VM that does not within `timeoutMs` is killed. */
  async wake(timeoutMs: number): Promise<void> {
    const { running, session } = this.#deps;
    const awake = Promise.all([running.resume(), giveIdentity(session, this.id, this.#deps, timeoutMs)]);
    await this.#killedUnless(timeoutMs, awake);
  }

  /** Writes the guest to the template that this VM makes; it is of no more use then. */
  async save(timeoutMs: number): Promise<void> {
    await this.#killedUnless(timeoutMs, this.#deps.running.save());
  }

  /** One round trip to the agent, with the guest's time stamp counter. */
  ping(timeoutMs: number): ReturnType<GuestSession['ping']> {
    return this.#deps.session.ping(timeoutMs);
  }

  /**
   * Runs the one command of this VM, by a zygote that takes it if it may be. Throws VM_CRASHED when the VM has ended
   * already.
   */
  exec(spec: ExecSpec, io: GuestIo, mayBeByZygote = true): GuestCommand {
    if (this.#state === 'failed' || this.#state === 'terminated') {
      throw new BlixardError('VM_CRASHED', { problem: `it was ${this.#state} before the command` });
    }
    this.#become('busy');
    const exec = this.#deps.session.run(spec, io, mayBeByZygote);
    this.#command = exec;
    const settled = (): void => {
      if (this.#state === 'busy') this.#become('draining');
    };
    exec.exited.then(settled, settled);
    return exec;
  }

  /** Runs a task of the agent beside the command, see `guestTasks`; it rejects when the VM has ended. */
  task(spec: ExecSpec, io: GuestIo): GuestExec {
    return this.#deps.session.task(spec, io);
  }

  /** Newest bytes of the serial console. */
  console(): string {
    return this.#deps.running.console();
  }

  /** Asks the guest to power off, and ends the VMM when it has not within `graceMs`. */
  async stop(graceMs: number): Promise<VmExit> {
    this.#endAsked = true;
    this.#deps.session.powerOff();
    const over = new AbortController();
    await Promise.race([this.exited, sleep(this.#deps.clock, graceMs, over.signal)]);
    over.abort();
    return await this.kill();
  }

  /** Ends the VMM at once; resolves when it is gone. Safe to call again. */
  async kill(): Promise<VmExit> {
    this.#endAsked = true;
    return await this.#deps.running.kill();
  }

  /** What does not come to an end by itself ends with its VM. */
  async #killedUnless(timeoutMs: number, done: Promise<unknown>): Promise<void> {
    const late = this.#deps.clock.after(timeoutMs, () => void this.kill());
    try {
      await done;
    } finally {
      late.cancel();
    }
  }

  async #watch(): Promise<VmExit> {
    const { running, session } = this.#deps;
    // A guest that broke the protocol or hung up is of no more use, whatever its VMM does.
    void session.closed.then(() => running.kill());
    const exit = await running.exited;
    session.close();
    this.#become(this.#endAsked ? 'terminated' : 'failed');
    return exit;
  }

  #become(next: VmState): void {
    if (!vmMachine.can(this.#state, next)) {
      throw new BlixardError('INTERNAL', { problem: `VM ${this.id} is ${this.#state}, not ${next}` });
    }
    this.#state = next;
  }
}
