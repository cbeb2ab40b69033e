/** The service VMs of one lane: equal jobs of one queue and one tenant, the only ones that may share a VM. */
import type { Timer } from '../platform/clock.ts';
import type { StartOrder } from './controller.ts';
import type { PlacedVm } from './ready-vm.ts';
import { noServiceDemand, type ServiceDemand } from './service-plan.ts';

/** Whose jobs may run in a VM one after another. */
export interface LaneOwner {
  readonly queue: string;
  readonly tenant: string;
}

/** Equal only for jobs that may share a VM. */
export function laneKey({ queue, tenant }: LaneOwner, { image, memoryMiB, vcpus }: StartOrder): string {
  return JSON.stringify([queue, tenant, image.digest, memoryMiB, vcpus]);
}

/** A VM that serves one job after another. */
export interface ServiceVm extends PlacedVm {
  /** Monotonic. */
  readonly servesSinceMs: number;
}

interface Waiter {
  readonly ticket: number;
  readonly take: (placed: ServiceVm) => void;
}

/** A job's wait for the next VM of its lane that becomes idle. */
export interface Wait {
  /** Resolves with that VM, which is the job's then; never rejects. */
  readonly handed: Promise<ServiceVm>;
  /** Waits no more; gives back a VM that was handed over and not taken. */
  leave(): ServiceVm | undefined;
}

/** What there is of one lane, and who waits. */
export class ServiceLane {
  readonly key: string;
  readonly order: StartOrder;
  demand: ServiceDemand;
  /** Newest last. */
  readonly idle: ServiceVm[] = [];
  readonly busy = new Map<string, ServiceVm>();
  /** VMs on their way from one job to the next. */
  readonly resets = new Set<Promise<void>>();
  readonly preparing = new Set<AbortController>();
  /** Jobs that have no VM yet. */
  starting = 0;
  failures = 0;
  pauseTimer: Timer | undefined;
  readonly #waiters: Waiter[] = [];

  constructor(deps: { key: string; order: StartOrder; nowMs: number }) {
    this.key = deps.key;
    this.order = deps.order;
    this.demand = noServiceDemand(deps.nowMs);
  }

  /** Jobs that have a VM of it, or are on their way to one. */
  get jobs(): number {
    return this.busy.size + this.starting;
  }

  /** VMs of it, those to come included. */
  get vms(): number {
    return this.busy.size + this.idle.length + this.resets.size + this.preparing.size;
  }

  /** More VMs are on their way to the next job than jobs wait for one. */
  get hasResetToSpare(): boolean {
    return this.resets.size > this.#waiters.length;
  }

  /** Gets in line for the next VM that becomes idle; `ticket` is the place in the line of the whole host. */
  wait(ticket: number): Wait {
    let given: ServiceVm | undefined;
    let resolveHanded: (placed: ServiceVm) => void = () => undefined;
    const handed = new Promise<ServiceVm>((resolve) => {
      resolveHanded = resolve;
    });
    const take = (placed: ServiceVm): void => {
      given = placed;
      resolveHanded(placed);
    };
    const waiter: Waiter = { ticket, take };
    this.#waiters.push(waiter);
    const leave = (): ServiceVm | undefined => {
      const at = this.#waiters.indexOf(waiter);
      if (at >= 0) this.#waiters.splice(at, 1);
      return given;
    };
    return { handed, leave };
  }

  /** Hands a VM to the first in line; false: nobody waits, or somebody else has waited longer for its room. */
  hand(placed: ServiceVm, lackingTicket = Number.POSITIVE_INFINITY): boolean {
    const [first] = this.#waiters;
    if (first === undefined || first.ticket > lackingTicket) return false;
    this.#waiters.shift();
    first.take(placed);
    return true;
  }
}
