/** Whose job may use the host's processors now: VMs that run one have so many together; first come, first served. */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { type Lack, lacksOfCpus } from './lacking.ts';

/** What is known here of a VM that was started. */
interface Lent {
  readonly started: { readonly vm: { readonly id: string; readonly exited: Promise<unknown> } };
}

interface Waiter {
  readonly vcpus: number;
  /** See `StartOrder`. */
  readonly purpose: string | undefined;
  readonly enter: () => void;
}

/**
 * Counts the virtual processors of VMs from before their job has one until its command has ended. VMs without a job
 * count for nothing, so whoever waits here waits for jobs only, and these never wait here: they hold all they need.
 */
export class Processors {
  readonly #max: number;
  readonly #waiting: Waiter[] = [];
  /** Per VM with a job. */
  readonly #held = new Map<string, number>();
  #used = 0;

  constructor(deps: { max: number }) {
    this.#max = deps.max;
  }

  /** Virtual processors of VMs that run jobs, or are being started for one. */
  get used(): number {
    return this.#used;
  }

  /** What each job in line lacks. */
  lacking(): readonly Lack[] {
    return lacksOfCpus(this.#waiting, { max: this.#max, free: this.#max - this.#used });
  }

  /**
   * Starts a VM for a job when it is the job's turn. They are the VM's until `giveBack`, or it has ended. `purpose`:
   * see `StartOrder`. Rejects with VM_TOO_LARGE when so many are never free; VM_LIMIT when too many wait; the signal's
   * reason; and as `start` does.
   */
  async lend<V extends Lent>(
    vcpus: number,
    signal: AbortSignal,
    start: () => Promise<V>,
    purpose?: string,
  ): Promise<V> {
    await this.#enter(vcpus, signal, purpose);
    try {
      const placed = await start();
      this.#hold(placed.started.vm, vcpus);
      return placed;
    } catch (error) {
      this.#leave(vcpus);
      throw error;
    }
  }

  /** The job of this VM has ended. Safe to call again. */
  giveBack(vmId: string): void {
    const vcpus = this.#held.get(vmId);
    if (vcpus === undefined) return;
    this.#held.delete(vmId);
    this.#leave(vcpus);
  }

  async #enter(vcpus: number, signal: AbortSignal, purpose: string | undefined): Promise<void> {
    signal.throwIfAborted();
    if (vcpus > this.#max) {
      const problem = `a VM of ${vcpus} CPUs; the host gives ${this.#max}`;
      throw new BlixardError('VM_TOO_LARGE', { problem });
    }
    if (this.#waiting.length >= limits.vmStartsWaiting) {
      throw new BlixardError('VM_LIMIT', { problem: `${this.#waiting.length} jobs wait for CPUs already` });
    }
    if (this.#waiting.length === 0 && this.#used + vcpus <= this.#max) {
      this.#used += vcpus;
      return;
    }
    await this.#inLine(vcpus, signal, purpose);
  }

  #inLine(vcpus: number, signal: AbortSignal, purpose: string | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leaveLine = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason);
        this.#letIn();
      };
      const enter = (): void => {
        signal.removeEventListener('abort', leaveLine);
        resolve();
      };
      const waiter: Waiter = { vcpus, purpose, enter };
      signal.addEventListener('abort', leaveLine, { once: true });
      this.#waiting.push(waiter);
    });
  }

  #hold({ id, exited }: Lent['started']['vm'], vcpus: number): void {
    this.#held.set(id, vcpus);
    void exited.then(() => this.giveBack(id));
  }

  #leave(vcpus: number): void {
    this.#used -= vcpus;
    this.#letIn();
  }

  /** A large one at the head is not passed by, so that it does not wait for ever. */
  #letIn(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#used + first.vcpus > this.#max) return;
      this.#waiting.shift();
      this.#used += first.vcpus;
      first.enter();
    }
  }
}
