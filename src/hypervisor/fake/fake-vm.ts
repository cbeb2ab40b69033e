/** A fake VM: no process, but a channel, an agent and an end like a real one. */
import { type Duplex, duplexPair } from 'node:stream';
import type { Clock } from '../../platform/clock.ts';
import type { ProcessIdentity, RunningVm, VmExit, VmSpec } from '../hypervisor.ts';
import { FakeAgent } from './fake-agent.ts';

/** What a fake VM does after its start. */
export interface FakeBoot {
  /** `agent`: the agent answers. `hang`: it never does. `exit`: the VMM ends with a message and code 1. */
  readonly outcome: 'agent' | 'hang' | 'exit';
  /** How long it takes until then. */
  readonly afterMs: number;
}

export class FakeVm implements RunningVm {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly channel: Duplex;
  readonly exited: Promise<VmExit>;
  readonly #guestEnd: Duplex;
  readonly #spec: VmSpec;
  readonly #clock: Clock;
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
    if (deps.boot.afterMs === 0) this.#boot(deps.boot);
    else {
      const timer = deps.clock.after(deps.boot.afterMs, () => this.#boot(deps.boot));
      void this.exited.then(() => timer.cancel());
    }
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

  /** Ends the VM as a kernel panic does, these words on its console. */
  crash(words: string): void {
    this.#console += `${words}\n`;
    this.#over({ code: 0, signal: null, stderr: '' });
  }

  #boot({ outcome }: FakeBoot): void {
    if (this.#isOver) return;
    this.#console += `fake VM ${this.id} booted\n`;
    if (outcome === 'exit')
      this.#over({ code: 1, signal: null, stderr: 'fake VMM: could not load the kernel' });
    if (outcome !== 'agent') return;
    new FakeAgent({
      channel: this.#guestEnd,
      clock: this.#clock,
      vm: {
        powerOff: () => this.#over({ code: 0, signal: null, stderr: '' }),
        crash: (words) => this.crash(words),
      },
      facts: { bootId: this.id, kernel: 'fake', memoryKiB: this.#spec.memoryMiB * 1024 },
      tscKhz: this.#spec.tscKhz ?? 1_000_000,
    });
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
