/** One microVM of this host: its guest, its state and its end. */
import type { ExecSpec } from '../contract/guest.ts';
import type { VmFacts } from '../contract/job.ts';
import { BlixardError } from '../domain/errors.ts';
import { type VmState, vmMachine } from '../domain/vm.ts';
import type { VmSize } from '../domain/vm-size.ts';
import type { ProcessIdentity, RunningVm, VmExit } from '../hypervisor/hypervisor.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import type { Random } from '../platform/random.ts';
import type { GuestCommand, GuestExec, GuestIo, GuestSession } from './guest-session.ts';
import { giveIdentity } from './identity.ts';
import { rehearse } from './rehearsal.ts';
import type { VmUsage } from './resource-monitor.ts';
import { startZygote } from './zygote-start.ts';
import type { Zygote } from './zygotes.ts';

/** How a VM came to be at hand. */
export type VmStart = Pick<VmFacts, 'start' | 'bootMs' | 'startReason'>;

/** What the host paid for a VM. */
export type VmCost = Pick<VmFacts, 'hostCpuMs' | 'hostMemoryPeakKiB'>;

/** What is known of a VM before its agent has said hello. */
export type VmOrigin = Omit<VmFacts, keyof VmStart | keyof VmCost | 'jobsServed' | 'zygote'>;

/** What is told of a VM while it lives. */
export interface VmTold extends VmSize {
  readonly state: VmState;
  readonly facts: VmFacts;
  /** Epoch ms. */
  readonly startedAtMs: number;
  /** For whom it runs, in the words of whoever asked for it; undefined while it waits in the pool. */
  readonly purpose: string | undefined;
  /** Of the host; undefined before it was looked at. */
  readonly usage?: VmUsage | undefined;
  /** Jobs it has served before; undefined: it serves one and is gone. */
  readonly jobsServed: number | undefined;
}

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
  /** It was started to wait, see `TemplateUse`. */
  readonly waits: boolean;
}

/** A live VM; its folder and record are cleared away by whoever started it, once `exited` has resolved. */
export class MicroVm {
  readonly id: string;
  /** Resolves when the VMM has ended; never rejects. */
  readonly exited: Promise<VmExit>;
  /** Resolves when its first command is handed over; may never. */
  readonly used: Promise<void>;
  readonly #deps: MicroVmDeps;
  #state: VmState = 'starting';
  #start: VmStart = { start: 'boot', bootMs: 0 };
  #cost: VmCost = {};
  #endAsked = false;
  #hasFailed = false;
  #isPaused: boolean;
  #tellUsed: () => void = () => undefined;
  #purpose: string | undefined;
  #jobsServed: number | undefined;
  #command: GuestCommand | undefined;
  readonly #startedAtMs: number;

  constructor(deps: MicroVmDeps) {
    this.id = deps.running.id;
    this.#deps = deps;
    this.#startedAtMs = deps.clock.nowMs();
    this.#isPaused = deps.waits;
    this.exited = this.#watch();
    this.used = new Promise((resolve) => {
      this.#tellUsed = resolve;
    });
  }

  get state(): VmState {
    return this.#state;
  }

  /** Its processors stand still. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** It has ended, or is about to. */
  get isOver(): boolean {
    return this.#endAsked || this.#hasFailed || this.#state === 'failed';
  }

  /** It has served a job, and waits for the next. */
  get isIdle(): boolean {
    return this.#state === 'idle' && this.#purpose === undefined;
  }

  /** The VMM's process. */
  get process(): ProcessIdentity {
    return this.#deps.running.identity;
  }

  get facts(): VmFacts {
    const served = this.#jobsServed === undefined ? {} : { jobsServed: this.#jobsServed };
    const command = this.#deps.zygotes.length === 0 ? undefined : this.#command;
    const zygote = command === undefined ? {} : { zygote: command.byZygote };
    return { ...this.#deps.origin, ...this.#start, ...served, ...zygote, ...this.#cost };
  }

  /** Has it go on if it waits, then makes its guest one of its own. Rejects with VM_BOOT_FAILED, VMM_REFUSED. */
  async greet(timeoutMs: number): Promise<void> {
    const { session, running } = this.#deps;
    const goesOn = this.#isPaused ? running.resume() : undefined;
    await Promise.all([goesOn, session.hello(timeoutMs)]);
    this.#isPaused = false;
    await giveIdentity(session, this.id, this.#deps, timeoutMs);
    if (this.#state !== 'starting') {
      throw new BlixardError('VM_BOOT_FAILED', { problem: 'it ended right after its hello' });
    }
    this.#become('ready');
  }

  /** What is told of it to others. */
  get told(): VmTold {
    const { facts, state } = this;
    const told = { state, facts, startedAtMs: this.#startedAtMs, purpose: this.#purpose };
    return { ...this.#deps.size, ...told, jobsServed: this.#jobsServed };
  }

  /** Says for whom it runs from now on. */
  serve(purpose: string): void {
    this.#purpose = purpose;
  }

  /** From now on it is a service VM: it can be reset after its command. Rejects when its agent cannot do that. */
  async becomeService(timeoutMs: number): Promise<void> {
    await this.#deps.session.note(timeoutMs);
    this.#jobsServed = 0;
  }

  /** Takes all away that its command has left; then it is idle. A VM that does not within `timeoutMs` is killed. */
  async reset(timeoutMs: number): Promise<void> {
    await this.#killedUnless(timeoutMs, this.#deps.session.reset(timeoutMs));
    this.#become('idle');
    this.#purpose = undefined;
    this.#jobsServed = (this.#jobsServed ?? 0) + 1;
  }

  /** Makes an idle guest one of its own again, as after a start. A VM that does not within `timeoutMs` is killed. */
  async renew(timeoutMs: number): Promise<void> {
    await this.#killedUnless(timeoutMs, giveIdentity(this.#deps.session, this.id, this.#deps, timeoutMs));
  }

  /** What its facts tell from now on. */
  tellStart(start: VmStart): void {
    this.#start = start;
  }

  /** What its facts tell of its cost from now on. */
  tellCost(cost: VmCost): void {
    this.#cost = cost;
  }

  /** Goes the way of a job, see `rehearse`. A VM that does not within `timeoutMs` is killed. */
  async rehearse(timeoutMs: number): Promise<void> {
    const { session, zygotes } = this.#deps;
    await this.#killedUnless(timeoutMs, rehearse(session, zygotes));
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
    this.#isPaused = true;
    await this.#killedUnless(timeoutMs, this.#deps.running.pause());
  }

  /** Lets a paused guest go on as one of its own. A VM that does not within `timeoutMs` is killed. */
  async wake(timeoutMs: number): Promise<void> {
    const { running, session } = this.#deps;
    const awake = Promise.all([running.resume(), giveIdentity(session, this.id, this.#deps, timeoutMs)]);
    await this.#killedUnless(timeoutMs, awake);
    this.#isPaused = false;
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
   * Runs a command, the only one until a reset, by a zygote that takes it if it may be. Throws VM_CRASHED when the VM
   * has ended already.
   */
  exec(spec: ExecSpec, io: GuestIo, mayBeByZygote = true): GuestCommand {
    if (this.#state === 'failed' || this.#state === 'terminated') {
      throw new BlixardError('VM_CRASHED', { problem: `it was ${this.#state} before the command` });
    }
    this.#become('busy');
    this.#tellUsed();
    const exec = this.#deps.session.run(spec, io, mayBeByZygote && this.#deps.zygotes.length > 0);
    this.#command = exec;
    const settled = (): void => {
      if (this.#state === 'busy' && this.#jobsServed === undefined) this.#become('draining');
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

  /** Ends a VM that is of no more use as `failed`; what waits for its guest rejects with the error. */
  fail(error: BlixardError): void {
    this.#deps.session.giveUp(error);
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
    void session.closed.then(() => {
      this.#hasFailed = !this.#endAsked;
      return running.kill();
    });
    const exit = await running.exited;
    session.close();
    this.#become(this.#endAsked && !this.#hasFailed ? 'terminated' : 'failed');
    return exit;
  }

  #become(next: VmState): void {
    if (!vmMachine.can(this.#state, next)) {
      throw new BlixardError('INTERNAL', { problem: `VM ${this.id} is ${this.#state}, not ${next}` });
    }
    this.#state = next;
  }
}
