/** One microVM of this host: its guest, its state and its end. */
import type { ExecSpec } from '../contract/guest.ts';
import type { VmFacts } from '../contract/job.ts';
import { BlixardError } from '../domain/errors.ts';
import { type VmState, vmMachine } from '../domain/vm.ts';
import type { RunningVm, VmExit } from '../hypervisor/hypervisor.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import type { GuestExec, GuestIo, GuestSession } from './guest-session.ts';

/** What is known of a VM before its agent has said hello. */
export type VmOrigin = Omit<VmFacts, 'bootMs'>;

/** A live VM; its folder and record are cleared away by whoever started it, once `exited` has resolved. */
export class MicroVm {
  readonly id: string;
  /** Resolves when the VMM has ended; never rejects. */
  readonly exited: Promise<VmExit>;
  readonly #running: RunningVm;
  readonly #session: GuestSession;
  readonly #origin: VmOrigin;
  readonly #clock: Clock;
  #state: VmState = 'starting';
  #bootMs = 0;
  #endAsked = false;

  constructor(deps: { running: RunningVm; session: GuestSession; origin: VmOrigin; clock: Clock }) {
    this.id = deps.running.id;
    this.#running = deps.running;
    this.#session = deps.session;
    this.#origin = deps.origin;
    this.#clock = deps.clock;
    this.exited = this.#watch();
  }

  get state(): VmState {
    return this.#state;
  }

  get facts(): VmFacts {
    return { ...this.#origin, bootMs: this.#bootMs };
  }

  /** Waits for the agent. Rejects with VM_BOOT_FAILED. `spawnedAtMs` is monotonic, from before the spawn. */
  async hello(timeoutMs: number, spawnedAtMs: number): Promise<void> {
    await this.#session.hello(timeoutMs);
    if (this.#state !== 'starting') {
      throw new BlixardError('VM_BOOT_FAILED', { problem: 'it ended right after its hello' });
    }
    this.#bootMs = Math.round(this.#clock.monotonicMs() - spawnedAtMs);
    this.#become('ready');
  }

  /** One round trip to the agent, with the guest's time stamp counter. */
  ping(timeoutMs: number): ReturnType<GuestSession['ping']> {
    return this.#session.ping(timeoutMs);
  }

  /** Runs the one command of this VM. Throws VM_CRASHED when the VM has ended already. */
  exec(spec: ExecSpec, io: GuestIo): GuestExec {
    if (this.#state === 'failed' || this.#state === 'terminated') {
      throw new BlixardError('VM_CRASHED', { problem: `it was ${this.#state} before the command` });
    }
    this.#become('busy');
    const exec = this.#session.exec(spec, io);
    const settled = (): void => {
      if (this.#state === 'busy') this.#become('draining');
    };
    exec.exited.then(settled, settled);
    return exec;
  }

  /** Runs a task of the agent beside the command, see `guestTasks`; it rejects when the VM has ended. */
  task(spec: ExecSpec, io: GuestIo): GuestExec {
    return this.#session.task(spec, io);
  }

  /** Newest bytes of the serial console. */
  console(): string {
    return this.#running.console();
  }

  /** Asks the guest to power off, and ends the VMM when it has not within `graceMs`. */
  async stop(graceMs: number): Promise<VmExit> {
    this.#endAsked = true;
    this.#session.powerOff();
    const over = new AbortController();
    await Promise.race([this.exited, sleep(this.#clock, graceMs, over.signal)]);
    over.abort();
    return await this.kill();
  }

  /** Ends the VMM at once; resolves when it is gone. Safe to call again. */
  async kill(): Promise<VmExit> {
    this.#endAsked = true;
    return await this.#running.kill();
  }

  async #watch(): Promise<VmExit> {
    // A guest that broke the protocol or hung up is of no more use, whatever its VMM does.
    void this.#session.closed.then(() => this.#running.kill());
    const exit = await this.#running.exited;
    this.#session.close();
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
