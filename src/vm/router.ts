/** Chooses a job's VM by its isolation: a new one, or one that has served its queue and tenant before. */
import type { StartOrder } from './controller.ts';
import type { PlacedVm } from './ready-vm.ts';
import type { ServiceFleet } from './service-fleet.ts';
import type { LaneOwner, ServiceLane } from './service-lane.ts';
import type { ServiceVms } from './service-vms.ts';
import type { VmStarter } from './starter.ts';

/** Broken service VMs that one job may be handed, before it gets one of its own. */
const handedMax = 2;

/** The service VMs of a host. */
export interface VmServices {
  readonly fleet: ServiceFleet;
  readonly vms: ServiceVms;
}

/** What a router chooses from. */
export interface VmRouterDeps {
  readonly starter: Pick<VmStarter, 'start'>;
  /** Without: no VM serves more than one job. */
  readonly services: VmServices | undefined;
}

/** A job that looks for a VM of its lane. */
interface Looking {
  readonly lane: ServiceLane;
  /** As all of its lane, but for whom it is. */
  readonly order: StartOrder;
  readonly services: VmServices;
  readonly settle: () => void;
  readonly signal: AbortSignal;
}

/** The one way from a job to a VM. */
export class VmRouter {
  readonly #deps: VmRouterDeps;

  constructor(deps: VmRouterDeps) {
    this.#deps = deps;
  }

  /** `owner`: whose jobs may share the VM; undefined: it is for one job. Rejects as `VmStarter.start` does. */
  async start(order: StartOrder, owner: LaneOwner | undefined, signal: AbortSignal): Promise<PlacedVm> {
    const { services, starter } = this.#deps;
    const lane = owner === undefined ? undefined : services?.fleet.lane(owner, order);
    if (services === undefined || lane === undefined) return await starter.start(order, signal);
    const settle = services.vms.looking(lane);
    try {
      return await this.#find({ lane, order, services, settle, signal });
    } finally {
      settle();
      services.fleet.replan();
    }
  }

  async #find(looking: Looking): Promise<PlacedVm> {
    const { lane, order, settle, signal } = looking;
    const { vms } = looking.services;
    const taken = await vms.take(lane, settle, signal);
    if (taken !== undefined) return taken;
    for (let handed = 0; handed < handedMax; handed++) {
      const found = await this.#startOrBeHanded(looking);
      if (found !== undefined) return found;
      signal.throwIfAborted();
    }
    return await vms.adopt(lane, await this.#deps.starter.start(order, signal), settle);
  }

  /** Whichever comes first: a start, or a VM of the lane that has become idle. Undefined: that one was broken. */
  async #startOrBeHanded(looking: Looking): Promise<PlacedVm | undefined> {
    const { lane, order, settle, signal } = looking;
    const { fleet, vms } = looking.services;
    const wait = fleet.wait(lane);
    const handedOver = new AbortController();
    const starting = this.#deps.starter.start(order, AbortSignal.any([signal, handedOver.signal]));
    try {
      const started = await Promise.race([starting, wait.handed.then(() => undefined)]);
      const given = wait.leave();
      if (started !== undefined) {
        if (given !== undefined) fleet.rest(lane, given);
        return await vms.adopt(lane, started, settle);
      }
      handedOver.abort();
      fleet.track(this.#endLate(starting));
      return given === undefined ? undefined : await vms.lend(lane, given, settle);
    } catch (error) {
      const given = wait.leave();
      if (given !== undefined) fleet.rest(lane, given);
      throw error;
    }
  }

  /** A start that was not needed any more, and came through all the same. */
  async #endLate(starting: Promise<PlacedVm>): Promise<void> {
    const [late] = await Promise.allSettled([starting]);
    if (late.status !== 'fulfilled') return;
    const { vm, gone } = late.value.started;
    await vm.kill();
    await gone;
  }
}
