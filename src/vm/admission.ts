/** Who may start a VM now: live VMs, their memory and starts in flight are bounded, first come, first served. */
import { availableParallelism, totalmem } from 'node:os';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';

/** Of the VMM besides the guest's memory: 64 MiB translation buffer and 60 MiB of its own (measured, QEMU 7.2). */
export const vmmOverheadMiB = 124;
/** Left to the host and this process. */
const hostReserveMiB = 512;
const mib = 1024 * 1024;

/** A VM's place on the host, from before its start until it is gone. */
export interface Place {
  /** The VM is up: its start is no longer in flight. */
  started(): void;
  /** The VM is gone. Safe to call again. */
  leave(): void;
}

/** Bounds of one host. */
export interface HostBounds {
  /** Live VMs, those starting included. */
  readonly vmsMax: number;
  readonly startsMax: number;
  /** For all VMs together, VMMs included. */
  readonly memoryMiB: number;
}

/** Bounds of this host: as many starts as cores, memory up to what the host or its container has less a reserve. */
export function boundsOfThisHost(vmsMax: number): HostBounds {
  const constrained = process.constrainedMemory();
  const bytes = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  const memoryMiB = Math.floor(bytes / mib) - hostReserveMiB;
  return { vmsMax, startsMax: availableParallelism(), memoryMiB };
}

interface Waiter {
  readonly needMiB: number;
  readonly enter: (place: Place) => void;
}

/** Counts places and lets waiters in, in order. */
export class Admission {
  readonly #bounds: HostBounds;
  readonly #waiting: Waiter[] = [];
  #live = 0;
  #starting = 0;
  #usedMiB = 0;

  constructor(deps: { bounds: HostBounds }) {
    this.#bounds = deps.bounds;
  }

  /** VMs that hold a place. */
  get live(): number {
    return this.#live;
  }

  /**
   * Waits for a place. Rejects with VM_LIMIT when the guest can never fit on this host or too many wait, and with
   * the signal's reason when it aborts first.
   */
  async enter(memoryMiB: number, signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    const needMiB = memoryMiB + vmmOverheadMiB;
    if (needMiB > this.#bounds.memoryMiB) {
      const has = `a VM of ${memoryMiB} MiB needs ${needMiB} MiB, the host gives ${this.#bounds.memoryMiB} MiB`;
      throw new BlixardError('VM_LIMIT', { problem: has });
    }
    if (this.#waiting.length >= limits.vmStartsWaiting) {
      throw new BlixardError('VM_LIMIT', { problem: `${this.#waiting.length} starts wait already` });
    }
    return await this.#inLine(needMiB, signal);
  }

  #inLine(needMiB: number, signal: AbortSignal): Promise<Place> {
    return new Promise((resolve, reject) => {
      const leaveLine = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason);
        this.#letIn();
      };
      const waiter: Waiter = {
        needMiB,
        enter: (place) => {
          signal.removeEventListener('abort', leaveLine);
          resolve(place);
        },
      };
      signal.addEventListener('abort', leaveLine, { once: true });
      this.#waiting.push(waiter);
      this.#letIn();
    });
  }

  #letIn(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#hasRoom(first.needMiB)) return;
      this.#waiting.shift();
      first.enter(this.#place(first.needMiB));
    }
  }

  #hasRoom(needMiB: number): boolean {
    const { vmsMax, startsMax, memoryMiB } = this.#bounds;
    return this.#live < vmsMax && this.#starting < startsMax && this.#usedMiB + needMiB <= memoryMiB;
  }

  #place(needMiB: number): Place {
    let starting = true;
    let here = true;
    this.#live++;
    this.#starting++;
    this.#usedMiB += needMiB;
    const started = (): void => {
      if (!starting) return;
      starting = false;
      this.#starting--;
      this.#letIn();
    };
    const leave = (): void => {
      if (!here) return;
      here = false;
      this.#live--;
      this.#usedMiB -= needMiB;
      started();
      this.#letIn();
    };
    return { started, leave };
  }
}
