/** A fake VM: no process, but a channel, an agent and an end like a real one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import {
  type ProcessIdentity,
  type RunningVm,
  templateFiles,
  type VmExit,
  type VmSpec,
} from '../hypervisor.ts';
import { FakeAgent } from './fake-agent.ts';
import { keepsAllNote } from './fake-commands.ts';
import { FakeGuest } from './fake-guest.ts';

/** What a fake VM does after its start. */
export interface FakeBoot {
  /** `agent`: the agent answers. `hang`: it never does. `exit`: the VMM ends with a message and code 1. */
  readonly outcome: 'agent' | 'hang' | 'exit';
  /** How long it takes until then. */
  readonly afterMs: number;
  /** Nothing can be removed in its guest. */
  readonly keepsAll?: boolean;
}

export class FakeVm implements RunningVm {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly channel: Duplex;
  readonly exited: Promise<VmExit>;
  readonly #guestEnd: Duplex;
  readonly #spec: VmSpec;
  readonly #clock: Clock;
  #guest: FakeGuest | undefined;
  /** What it waits with for its first `resume`. */
  #waiting: FakeBoot | undefined;
  #isPaused = false;
  #isFrozen = false;
  #end: (exit: VmExit) => void = () => undefined;
  #isOver = false;
  #console = '';

  constructor(deps: { spec: VmSpec; pid: number; clock: Clock; boot: FakeBoot }) {
    this.id = deps.spec.id;
    this.identity = { pid: deps.pid, startTicks: deps.pid };
    this.#spec = deps.spec;
    this.#clock = deps.clock;
    [this.channel, this.#guestEnd] = duplexPair();
    this.exited = new Promise((resolve) => {
      this.#end = resolve;
    });
    if (deps.spec.template?.waits === true) this.#waiting = deps.boot;
    else this.#begin(deps.boot);
  }

  console(): string {
    return this.#console;
  }

  async kill(): Promise<VmExit> {
    this.#over({ code: null, signal: 'SIGKILL', stderr: '' });
    const exit = await this.exited;
    this.channel.destroy();
    return exit;
  }

  async answers(): Promise<void> {
    if (this.#isFrozen) await this.exited;
    this.#assertRuns('answer');
  }

  async pause(): Promise<void> {
    this.#assertRuns('pause');
    this.#isPaused = true;
    this.#guest?.pause();
    this.#guestEnd.pause();
  }

  async resume(): Promise<void> {
    this.#assertRuns('resume');
    const boot = this.#waiting;
    this.#waiting = undefined;
    if (boot !== undefined) this.#begin(boot);
    this.#isPaused = false;
    this.#guest?.resume();
    // Until its agent listens, what is said to it must not be lost.
    if (this.#guest !== undefined) this.#guestEnd.resume();
  }

  async save(): Promise<void> {
    const { template, memoryMiB } = this.#spec;
    if (template?.act !== 'make' || this.#guest === undefined) {
      throw new BlixardError('VMM_REFUSED', { act: 'save', problem: 'the VM was not started to be saved' });
    }
    await this.pause();
    writeFileSync(join(template.dir, templateFiles.memory), this.#guest.save());
    writeFileSync(join(template.dir, templateFiles.state), JSON.stringify({ memoryMiB }));
  }

  /** Makes it answer nothing for ever, as a VMM that somebody stopped. */
  freeze(): void {
    this.#isFrozen = true;
    this.#guestEnd.removeAllListeners('data');
    this.#guestEnd.resume();
  }

  /** Ends the VM as a kernel panic does, these words on its console. */
  crash(words: string): void {
    this.#console += `${words}\n`;
    this.#over({ code: 0, signal: null, stderr: '' });
  }

  #begin(boot: FakeBoot): void {
    if (boot.afterMs === 0) this.#boot(boot);
    else {
      const timer = this.#clock.after(boot.afterMs, () => this.#boot(boot));
      void this.exited.then(() => timer.cancel());
    }
  }

  #boot({ outcome, keepsAll = false }: FakeBoot): void {
    if (this.#isOver || this.#isFrozen) return;
    this.#console += `fake VM ${this.id} booted\n`;
    if (outcome === 'exit')
      this.#over({ code: 1, signal: null, stderr: 'fake VMM: could not load the kernel' });
    if (outcome !== 'agent') return;
    const guest = this.#makeGuest();
    if (guest === undefined) return;
    this.#guest = guest;
    if (keepsAll) guest.note(keepsAllNote, '');
    if (this.#isPaused) guest.pause();
    new FakeAgent({
      guest,
      channel: this.#guestEnd,
      clock: this.#clock,
      vm: {
        powerOff: () => this.#over({ code: 0, signal: null, stderr: '' }),
        crash: (words) => this.crash(words),
      },
      facts: { kernel: 'fake', memoryKiB: this.#spec.memoryMiB * 1024 },
      tscKhz: this.#spec.tscKhz ?? 1_000_000,
    });
  }

  /** The guest, booted or as it was saved; undefined when there is nothing to start from. */
  #makeGuest(): FakeGuest | undefined {
    const { template, memoryMiB } = this.#spec;
    if (template?.act !== 'start') return FakeGuest.booted(this.#clock, this.id);
    try {
      const state = readFileSync(join(template.dir, templateFiles.state), 'utf8');
      if (state !== JSON.stringify({ memoryMiB })) throw new TypeError('the state is of another machine');
      return FakeGuest.restored(this.#clock, readFileSync(join(template.dir, templateFiles.memory), 'utf8'));
    } catch (error) {
      this.#over({ code: 1, signal: null, stderr: `could not start from the template: ${problemOf(error)}` });
      return undefined;
    }
  }

  #assertRuns(act: string): void {
    if (this.#isOver) throw new BlixardError('VMM_REFUSED', { act, problem: 'its control channel ended' });
  }

  #over(exit: VmExit): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#guestEnd.removeAllListeners('data');
    this.#guestEnd.resume();
    this.#guestEnd.end();
    this.#end(exit);
  }
}
