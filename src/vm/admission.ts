/**
 * Who may start a VM now: live VMs, their memory and starts in flight are bounded, and so are the processors of jobs,
 * and memory by what the host really has left; first come, first served.
 */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { VmSize } from '../domain/vm-size.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { type HostBounds, hostReserveMiB } from './host-bounds.ts';
import type { HostMemory } from './host-memory.ts';
import { type Lack, lacksOfPlaces } from './lacking.ts';
import { Processors } from './processors.ts';
import { Shortage } from './shortage.ts';

/** Of the VMM besides the guest's memory: 96 MiB translation buffer and 60 MiB of its own (measured, QEMU 7.2). */
export const vmmOverheadMiB = 156;
/** Others take and give back memory without a word, so whoever lacks it looks again; a job does so for a while. */
const memoryLook = { everyMs: 1_000, looksMax: 30 };

/** A VM's place on the host, from before its start until it is gone. */
export interface Place {
  /** Memory it stands for, VMM included. */
  readonly memoryMiB: number;
  /** The VM is up: its start is no longer in flight. */
  started(): void;
  /** The VM is gone. Safe to call again. */
  leave(): void;
}

interface Waiter {
  readonly needMiB: number;
  /** See `StartOrder`. */
  readonly purpose: string | undefined;
  readonly ticket: number;
  /** Nobody waits for the VM: it is started ahead. */
  readonly idle: boolean;
  readonly enter: (place: Place) => void;
  readonly refuse: (error: BlixardError) => void;
  /** Looks at the memory of the host that found too little for it. */
  looks: number;
}

type Whose = Pick<Waiter, 'idle' | 'purpose'>;

/** What an admission is made with; without `memory` only the bounds count. */
export interface AdmissionDeps {
  readonly bounds: HostBounds;
  readonly memory?: { readonly look: () => HostMemory; readonly clock: Clock };
}

/** Counts places and lets waiters in, in order; those who start VMs ahead come after all others. */
export class Admission {
  /** Jobs wait here first, in the same order: who has no processors takes no place. */
  readonly processors: Processors;
  readonly #bounds: HostBounds;
  readonly #memory: AdmissionDeps['memory'];
  #memoryTimer: Timer | undefined;
  readonly #waiting: Waiter[] = [];
  readonly #idleWaiting: Waiter[] = [];
  #live = 0;
  #starting = 0;
  #idleStarting = 0;
  #usedMiB = 0;
  #tickets = 0;
  readonly #onShortage: ((shortage: Shortage) => void)[] = [];
  readonly #onRoom: (() => void)[] = [];

  constructor(deps: AdmissionDeps) {
    this.#bounds = deps.bounds;
    this.processors = new Processors({ max: deps.bounds.cpusMax });
    this.#memory = deps.memory;
  }

  /** VMs that hold a place. */
  get live(): number {
    return this.#live;
  }

  /** `act` is told whenever a job waits for a place that VMs without a job may be holding, unless others gave way. */
  onShortage(act: (shortage: Shortage) => void): void {
    this.#onShortage.push(act);
  }

  /** `act` is told whenever places may have become free that nobody waits for. */
  onRoom(act: () => void): void {
    this.#onRoom.push(act);
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

  /** What each job in line lacks: first those that wait for processors, who take no place yet. */
  lacking(): readonly Lack[] {
    const lacks = this.processors.lacking();
    if (this.#waiting.length === 0) return lacks;
    const { vmsMax, startsMax } = this.#bounds;
    const taken = { live: this.#live, starting: this.#starting, usedMiB: this.#usedMiB };
    const room = { vmsMax, startsMax, memoryMiB: this.#memoryMiB, ...taken };
    return [...lacks, ...lacksOfPlaces(this.#waiting, room)];
  }

  /** Tells of a shortage again: a VM has become idle that could not give way before. */
  lookAgain(): void {
    this.#tellShortage();
  }

  /** The largest VM that this host can ever give. */
  get vmMax(): VmSize {
    return { memoryMiB: Math.max(0, this.#bounds.memoryMiB - vmmOverheadMiB), vcpus: this.#bounds.vcpusMax };
  }

  /** Throws VM_TOO_LARGE for more virtual processors than one VM may have on this host. */
  assertCpus(vcpus: number): void {
    const { vcpusMax } = this.#bounds;
    if (vcpus <= vcpusMax) return;
    throw new BlixardError('VM_TOO_LARGE', { problem: `a VM of ${vcpus} CPUs; the host gives ${vcpusMax}` });
  }

  /**
   * Waits for a place. Rejects with VM_TOO_LARGE when the guest can never fit on this host; VM_LIMIT when too many
   * wait, or the host has no memory left for it for a while; and the signal's reason when it aborts first. `purpose`:
   * see `StartOrder`.
   */
  async enter(memoryMiB: number, signal: AbortSignal, purpose?: string): Promise<Place> {
    return await this.#enter(memoryMiB, { idle: false, purpose }, signal);
  }

  /** As `enter`, for a VM that nobody waits for: jobs go first, and one start at least is left to them. */
  async enterIdle(memoryMiB: number, signal: AbortSignal): Promise<Place> {
    return await this.#enter(memoryMiB, { idle: true, purpose: undefined }, signal);
  }

  /** A place at once, where nobody waits for one and as large a VM would fit beside it; else undefined. */
  takeToSpare(memoryMiB: number): Place | undefined {
    const needMiB = memoryMiB + vmmOverheadMiB;
    if (this.#waiting.length + this.#idleWaiting.length > 0) return undefined;
    const fits = this.#live + 2 <= this.#bounds.vmsMax && this.#hasRoom({ needMiB: 2 * needMiB, idle: true });
    return fits ? this.#place({ needMiB, idle: true }) : undefined;
  }

  async #enter(memoryMiB: number, whose: Whose, signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    const needMiB = memoryMiB + vmmOverheadMiB;
    if (needMiB > this.#bounds.memoryMiB) {
      const has = `a VM of ${memoryMiB} MiB needs ${needMiB} MiB, the host gives ${this.#bounds.memoryMiB} MiB`;
      throw new BlixardError('VM_TOO_LARGE', { problem: has });
    }
    const line = whose.idle ? this.#idleWaiting : this.#waiting;
    const isFull = line.length >= limits.vmStartsWaiting;
    if (isFull) throw new BlixardError('VM_LIMIT', { problem: `${line.length} starts wait already` });
    return await this.#inLine(line, { ...whose, needMiB }, signal);
  }

  #inLine(line: Waiter[], who: Whose & { readonly needMiB: number }, signal: AbortSignal): Promise<Place> {
    return new Promise((resolve, reject) => {
      const leaveLine = (): void => {
        line.splice(line.indexOf(waiter), 1);
        reject(signal.reason);
        this.#letIn();
      };
      const waiter: Waiter = {
        ...who,
        ticket: this.#tickets++,
        enter: (place) => {
          signal.removeEventListener('abort', leaveLine);
          resolve(place);
        },
        refuse: (error) => {
          signal.removeEventListener('abort', leaveLine);
          reject(error);
        },
        looks: 0,
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
    this.#watchMemory();
    if (this.#waiting.length + this.#idleWaiting.length === 0) for (const act of this.#onRoom) act();
  }

  #tellShortage(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const shortage = this.#shortageOf(first);
    for (const act of this.#onShortage) if (!shortage.isMet) act(shortage);
  }

  #shortageOf({ needMiB }: Waiter): Shortage {
    const { vmsMax } = this.#bounds;
    return new Shortage(this.#live + 1 - vmsMax, this.#usedMiB + needMiB - this.#memoryMiB);
  }

  /** What the VMs may have together: as if each used all it may, of that which others leave. */
  get #memoryMiB(): number {
    const { memoryMiB } = this.#bounds;
    if (this.#memory === undefined) return memoryMiB;
    const { availableMiB, ownMiB } = this.#memory.look();
    return Math.min(memoryMiB, availableMiB + ownMiB - hostReserveMiB);
  }

  /** One timer, only while a job waits for memory that no VM of ours need give back. */
  #watchMemory(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#memory === undefined) {
      this.#memoryTimer?.cancel();
      this.#memoryTimer = undefined;
    } else {
      this.#memoryTimer ??= this.#memory.clock.after(memoryLook.everyMs, () => this.#lookAgain());
    }
  }

  #lookAgain(): void {
    this.#memoryTimer = undefined;
    const [first] = this.#waiting;
    if (first === undefined) return;
    const hasMiB = this.#memoryMiB;
    const isShort = hasMiB < this.#bounds.memoryMiB && this.#usedMiB + first.needMiB > hasMiB;
    first.looks = isShort ? first.looks + 1 : 0;
    if (first.looks >= memoryLook.looksMax) {
      this.#waiting.shift();
      const left = `the host has ${Math.max(0, Math.round(hasMiB - this.#usedMiB))} MiB left`;
      const problem = `a VM needs ${first.needMiB} MiB with its VMM, ${left} for it`;
      first.refuse(new BlixardError('VM_LIMIT', { problem }));
    }
    this.#letIn();
  }

  #hasRoom({ needMiB, idle }: Pick<Waiter, 'needMiB' | 'idle'>): boolean {
    const { vmsMax, startsMax } = this.#bounds;
    if (idle && this.#idleStarting >= Math.max(1, startsMax - 1)) return false;
    if (this.#live >= vmsMax || this.#starting >= startsMax) return false;
    return this.#usedMiB + needMiB <= this.#memoryMiB;
  }

  #place({ needMiB, idle }: Pick<Waiter, 'needMiB' | 'idle'>): Place {
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
