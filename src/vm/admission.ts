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
  /** Memory it stands for, VMM included. */
  readonly memoryMiB: number;
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
  readonly ticket: number;
  /** Nobody waits for the VM: it is started ahead. */
  readonly idle: boolean;
  readonly enter: (place: Place) => void;
}

/** What the first of those who wait lacks; less and less, as VMs are found that can go. */
export class Shortage {
  #vms: number;
  #memoryMiB: number;

  constructor(vms: number, memoryMiB: number) {
    this.#vms = vms;
    this.#memoryMiB = memoryMiB;
  }

  /** Nothing is lacking, once those that were found are gone. */
  get isMet(): boolean {
    return this.#vms <= 0 && this.#memoryMiB <= 0;
  }

  /** A VM that takes so much, VMM included, goes or is going. */
  meet(memoryMiB: number): void {
    this.#vms--;
    this.#memoryMiB -= memoryMiB;
  }
}

/** Counts places and lets waiters in, in order; those who start VMs ahead come after all others. */
export class Admission {
  readonly #bounds: HostBounds;
  readonly #waiting: Waiter[] = [];
  readonly #idleWaiting: Waiter[] = [];
  #live = 0;
  #starting = 0;
  #idleStarting = 0;
  #usedMiB = 0;
  #tickets = 0;
  readonly #onShortage: ((shortage: Shortage) => void)[] = [];

  constructor(deps: { bounds: HostBounds }) {
    this.#bounds = deps.bounds;
  }

  /** VMs that hold a place. */
  get live(): number {
    return this.#live;
  }

  /** `act` is told whenever a job waits for a place that VMs without a job may be holding, unless others gave way. */
  onShortage(act: (shortage: Shortage) => void): void {
    this.#onShortage.push(act);
  }

  /** What the next to come gets; who came before has a lower one. */
  get nextTicket(): number {
    return this.#tickets;
  }

  /** The ticket of the job that waits for a place longest, when it lacks a VM or memory. */
  get lackingTicket(): number | undefined {
    const [first] = this.#waiting;
    return first === undefined || this.#shortageOf(first).isMet ? undefined : first.ticket;
  }

  /** Tells of a shortage again: a VM has become idle that could not give way before. */
  lookAgain(): void {
    this.#tellShortage();
  }

  /**
   * Waits for a place. Rejects with VM_LIMIT when the guest can never fit on this host or too many wait, and with
   * the signal's reason when it aborts first.
   */
  async enter(memoryMiB: number, signal: AbortSignal): Promise<Place> {
    return await this.#enter(memoryMiB, false, signal);
  }

  /** As `enter`, for a VM that nobody waits for: jobs go first, and one start at least is left to them. */
  async enterIdle(memoryMiB: number, signal: AbortSignal): Promise<Place> {
    return await this.#enter(memoryMiB, true, signal);
  }

  async #enter(memoryMiB: number, idle: boolean, signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    const needMiB = memoryMiB + vmmOverheadMiB;
    if (needMiB > this.#bounds.memoryMiB) {
      const has = `a VM of ${memoryMiB} MiB needs ${needMiB} MiB, the host gives ${this.#bounds.memoryMiB} MiB`;
      throw new BlixardError('VM_LIMIT', { problem: has });
    }
    const line = idle ? this.#idleWaiting : this.#waiting;
    if (line.length >= limits.vmStartsWaiting) {
      throw new BlixardError('VM_LIMIT', { problem: `${line.length} starts wait already` });
    }
    return await this.#inLine(line, needMiB, idle, signal);
  }

  #inLine(line: Waiter[], needMiB: number, idle: boolean, signal: AbortSignal): Promise<Place> {
    return new Promise((resolve, reject) => {
      const leaveLine = (): void => {
        line.splice(line.indexOf(waiter), 1);
        reject(signal.reason);
        this.#letIn();
      };
      const waiter: Waiter = {
        needMiB,
        ticket: this.#tickets++,
        idle,
        enter: (place) => {
          signal.removeEventListener('abort', leaveLine);
          resolve(place);
        },
      };
      signal.addEventListener('abort', leaveLine, { once: true });
      line.push(waiter);
      this.#letIn();
    });
  }

  #letIn(): void {
    for (const line of [this.#waiting, this.#idleWaiting]) {
      for (let first = line[0]; first !== undefined; first = line[0]) {
        if (!this.#hasRoom(first)) break;
        line.shift();
        first.enter(this.#place(first));
      }
      if (line.length > 0) break;
    }
    this.#tellShortage();
  }

  #tellShortage(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const shortage = this.#shortageOf(first);
    for (const act of this.#onShortage) if (!shortage.isMet) act(shortage);
  }

  #shortageOf({ needMiB }: Waiter): Shortage {
    const { vmsMax, memoryMiB } = this.#bounds;
    return new Shortage(this.#live + 1 - vmsMax, this.#usedMiB + needMiB - memoryMiB);
  }

  #hasRoom({ needMiB, idle }: Waiter): boolean {
    const { vmsMax, startsMax, memoryMiB } = this.#bounds;
    if (idle && this.#idleStarting >= Math.max(1, startsMax - 1)) return false;
    return this.#live < vmsMax && this.#starting < startsMax && this.#usedMiB + needMiB <= memoryMiB;
  }

  #place({ needMiB, idle }: Waiter): Place {
    let starting = true;
    let here = true;
    this.#live++;
    this.#starting++;
    if (idle) this.#idleStarting++;
    this.#usedMiB += needMiB;
    const started = (): void => {
      if (!starting) return;
      starting = false;
      this.#starting--;
      if (idle) this.#idleStarting--;
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
    return { memoryMiB: needMiB, started, leave };
  }
}
