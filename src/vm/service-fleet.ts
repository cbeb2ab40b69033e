/** All service VMs of a host: has as many of each lane as the plan says, starts what lacks, ends what is too much. */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { type Admission, vmmOverheadMiB } from './admission.ts';
import type { StartOrder } from './controller.ts';
import type { MicroVm } from './micro-vm.ts';
import { type LaneOwner, laneKey, ServiceLane, type ServiceVm, type Wait } from './service-lane.ts';
import { afterQuiet, aheadOf, planServices, type ServiceBounds } from './service-plan.ts';
import type { Shortage } from './shortage.ts';
import type { VmStarter } from './starter.ts';

/** An idle VM that does not answer by then is of no use; a healthy one takes a few ms. */
const pingMs = 1_000;
/** How long a guest may take to note how it is. */
export const noteMs = 5_000;
/** After a VM could not be started ahead: 1 s, doubling to about 1 min. */
const pause = { firstMs: 1_000, doublingsMax: 6 };

/** What a fleet is made with. */
export interface ServiceFleetDeps {
  readonly starter: Pick<VmStarter, 'startAhead'>;
  readonly admission: Pick<Admission, 'onShortage' | 'lookAgain' | 'nextTicket' | 'lackingTicket'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly bounds: ServiceBounds;
}

/** The lanes, and the size of each. */
export class ServiceFleet {
  readonly #deps: ServiceFleetDeps;
  readonly #lanes = new Map<string, ServiceLane>();
  readonly #closing = new AbortController();
  readonly #leaving = new Set<ServiceVm>();
  readonly #pending = new Set<Promise<unknown>>();
  #timer: Timer | undefined;

  constructor(deps: ServiceFleetDeps) {
    this.#deps = deps;
    deps.admission.onShortage((shortage) => this.#evict(shortage));
  }

  get isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  /** VMs that wait for the next job of their lane. */
  idle(): readonly MicroVm[] {
    return [...this.#lanes.values()].flatMap(({ idle }) => idle.map(({ started }) => started.vm));
  }

  /** The lane of these jobs; undefined when there is none, and there are too many for another. */
  lane(owner: LaneOwner, order: StartOrder): ServiceLane | undefined {
    const key = laneKey(owner, order);
    const known = this.#lanes.get(key);
    if (known !== undefined || this.#lanes.size >= limits.serviceLanesMax || this.isClosing) return known;
    const lane = new ServiceLane({ key, order, nowMs: this.#deps.clock.monotonicMs() });
    this.#lanes.set(key, lane);
    return lane;
  }

  /** Gets in line for the next VM of the lane that becomes idle. */
  wait(lane: ServiceLane): Wait {
    return lane.wait(this.#deps.admission.nextTicket);
  }

  /** Whether one more VM may serve this lane; an idle one of the lane least used makes room for it. */
  makeRoom(lane: ServiceLane): boolean {
    if (this.#vms() < this.#deps.bounds.max) return true;
    const other = this.#lastUsedFirst().findLast((one) => one !== lane && one.idle.length > 0);
    if (other === undefined) return false;
    this.end(other.idle.shift());
    return true;
  }

  /** A VM waits for its next job from now on; whoever is first in line has it at once. */
  rest(lane: ServiceLane, placed: ServiceVm): void {
    if (this.isClosing) this.end(placed);
    if (this.isClosing || lane.hand(placed, this.#deps.admission.lackingTicket)) return;
    lane.idle.push(placed);
    this.replan();
    this.#deps.admission.lookAgain();
  }

  /** Follows a VM of this lane, so that one that has died is not counted any more. */
  follow(lane: ServiceLane, placed: ServiceVm): void {
    void placed.started.gone.then(() => {
      lane.busy.delete(placed.started.vm.id);
      const at = lane.idle.indexOf(placed);
      if (at >= 0) lane.idle.splice(at, 1);
      this.replan();
    });
  }

  /** Ends what is beyond the plan and starts what it lacks. */
  replan(): void {
    if (this.isClosing || this.#lanes.size === 0) return;
    const { bounds, clock } = this.#deps;
    const lanes = [...this.#lanes.values()];
    const plan = planServices(lanes, bounds);
    for (const lane of lanes) {
      const wanted = plan.get(lane.key) ?? 0;
      while (lane.idle.length > 0 && lane.vms + lane.starting > wanted) this.end(lane.idle.shift());
      if (lane.pauseTimer !== undefined) continue;
      const ahead = Math.min(wanted, aheadOf(lane, bounds));
      while (lane.vms + lane.starting < ahead && this.#vms() < bounds.max) this.#prepare(lane);
    }
    this.#timer ??= clock.after(bounds.coolDownMs / 4, () => this.#timePasses());
  }

  /** Ends a VM, which serves nobody any more. */
  end(placed: ServiceVm | undefined): void {
    if (placed === undefined) return;
    this.#leaving.add(placed);
    const { vm, gone } = placed.started;
    this.track(
      vm
        .kill()
        .then(() => gone)
        .finally(() => this.#leaving.delete(placed)),
    );
  }

  /** What must have come to its end before the fleet is closed; it never rejects. */
  track(ending: Promise<unknown>): void {
    const tracked = ending.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  /** Ends all that are idle, and keeps no more. */
  async close(): Promise<void> {
    this.#closing.abort(new BlixardError('VM_MANAGER_UNAVAILABLE', { reason: 'the worker is stopping' }));
    this.#timer?.cancel();
    for (const lane of this.#lanes.values()) {
      lane.pauseTimer?.cancel();
      for (const abort of lane.preparing) abort.abort(this.#closing.signal.reason);
      while (lane.idle.length > 0) this.end(lane.idle.shift());
    }
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #vms(): number {
    return [...this.#lanes.values()].reduce((sum, { vms }) => sum + vms, 0);
  }

  #lastUsedFirst(): ServiceLane[] {
    return [...this.#lanes.values()].sort((one, two) => two.demand.usedAtMs - one.demand.usedAtMs);
  }

  #prepare(lane: ServiceLane): void {
    const abort = new AbortController();
    lane.preparing.add(abort);
    const preparing = this.#startAhead(lane, abort.signal).then(
      (placed) => {
        lane.preparing.delete(abort);
        lane.failures = 0;
        this.rest(lane, placed);
      },
      (error: unknown) => {
        lane.preparing.delete(abort);
        if (this.isClosing) return;
        // Who gave way to a job tries again when the plan is made anew, and not at once.
        lane.failures++;
        this.#pause(lane);
        this.#deps.log.debug({ err: error, lane: lane.key }, 'a service VM was not started ahead');
      },
    );
    this.track(preparing);
  }

  async #startAhead(lane: ServiceLane, signal: AbortSignal): Promise<ServiceVm> {
    const placed = await this.#deps.starter.startAhead(lane.order, signal);
    const service = { ...placed, servesSinceMs: this.#deps.clock.monotonicMs() };
    try {
      placed.place.started();
      await placed.started.vm.becomeService(noteMs);
      signal.throwIfAborted();
    } catch (error) {
      this.end(service);
      throw error;
    }
    this.follow(lane, service);
    return service;
  }

  #pause(lane: ServiceLane): void {
    const ms = pause.firstMs * 2 ** Math.min(lane.failures, pause.doublingsMax);
    lane.pauseTimer ??= this.#deps.clock.after(ms, () => {
      lane.pauseTimer = undefined;
      this.replan();
    });
  }

  /** Those of the lanes least used go first, then those that are being started. */
  #evict(shortage: Shortage): void {
    for (const { place } of this.#leaving) shortage.meet(place.memoryMiB);
    const lanes = this.#lastUsedFirst().reverse();
    for (const { idle } of lanes) {
      for (let placed = idle[0]; placed !== undefined && !shortage.isMet; placed = idle[0]) {
        this.end(idle.shift());
        shortage.meet(placed.place.memoryMiB);
      }
    }
    const evicted = new BlixardError('VM_LIMIT', { problem: 'a job needs the room' });
    for (const { preparing, order } of lanes) {
      for (const abort of preparing) {
        if (shortage.isMet) return;
        abort.abort(evicted);
        shortage.meet(order.memoryMiB + vmmOverheadMiB);
      }
    }
  }

  #timePasses(): void {
    this.#timer = undefined;
    const { bounds, clock } = this.#deps;
    for (const lane of this.#lanes.values()) {
      lane.demand = afterQuiet(lane.demand, lane.jobs, bounds, clock.monotonicMs());
      for (const placed of lane.idle) this.track(this.#endUnlessHealthy(lane, placed));
      const isOver = lane.demand.peak === 0 && bounds.min === 0 && lane.vms + lane.starting === 0;
      if (isOver && lane.pauseTimer === undefined) this.#lanes.delete(lane.key);
    }
    this.replan();
  }

  async #endUnlessHealthy(lane: ServiceLane, placed: ServiceVm): Promise<void> {
    const { vm } = placed.started;
    try {
      await vm.ping(pingMs);
    } catch (error) {
      this.#deps.log.warn({ err: error, vmId: vm.id }, 'an idle service VM does not answer, it is ended');
      const at = lane.idle.indexOf(placed);
      if (at >= 0) this.end(lane.idle.splice(at, 1)[0]);
    }
  }
}
