/** Lends service VMs to jobs of their lane, one after another, and takes them back as good as new, or not at all. */
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import type { ProcessIdentity } from '../hypervisor/hypervisor.ts';
import type { MicroVm } from './micro-vm.ts';
import type { PlacedVm } from './ready-vm.ts';
import { type ServiceLife, whyRecycle } from './recycle.ts';
import { noteMs, type ServiceFleet, type ServiceFleetDeps } from './service-fleet.ts';
import type { ServiceLane, ServiceVm } from './service-lane.ts';
import { afterJob } from './service-plan.ts';
import type { VmStarter } from './starter.ts';

/** An idle VM that does not take its identity by then is of no use; a healthy one takes a few ms. */
const renewMs = 1_000;
/** VMs that may fail one job, which is then better served by another start. */
const takesMax = 2;

/** What is needed to lend VMs. */
export interface ServiceVmsDeps extends Pick<ServiceFleetDeps, 'clock' | 'log'> {
  readonly fleet: ServiceFleet;
  readonly starter: Pick<VmStarter, 'isUntouched'>;
  readonly life: ServiceLife;
  /** Memory of a VMM's own; undefined where that cannot be told. */
  readonly ownMiBOf: (vmm: ProcessIdentity) => number | undefined;
}

/** A job has a VM, or wants none any more. Safe to call again. */
type Settle = () => void;

/** A VM is with one job, or with none. */
export class ServiceVms {
  readonly #deps: ServiceVmsDeps;
  readonly #lanes = new Map<string, ServiceLane>();

  constructor(deps: ServiceVmsDeps) {
    this.#deps = deps;
  }

  /** A job of the lane looks for a VM from now on, until it is settled; one that gets a VM here is. */
  looking(lane: ServiceLane): Settle {
    let isLooking = true;
    lane.starting++;
    lane.demand = afterJob(lane.demand, lane.jobs, this.#deps.clock.monotonicMs());
    return () => {
      if (isLooking) lane.starting--;
      isLooking = false;
    };
  }

  /** A VM of the lane that is idle, or about to be; undefined when there is none. Rejects with the signal's reason. */
  async take(lane: ServiceLane, settle: Settle, signal: AbortSignal): Promise<PlacedVm | undefined> {
    for (let tried = 0; tried < takesMax; tried++) {
      const placed = lane.idle.pop() ?? (await this.#afterResets(lane, signal));
      if (placed === undefined) return undefined;
      const lent = await this.lend(lane, placed, settle);
      if (lent !== undefined) return lent;
      signal.throwIfAborted();
    }
    return undefined;
  }

  /** Makes an idle VM one of its own again, for its next job; undefined: it is of no use and ended. */
  async lend(lane: ServiceLane, placed: ServiceVm, settle: Settle): Promise<PlacedVm | undefined> {
    const { clock, fleet, log, starter } = this.#deps;
    const { vm } = placed.started;
    const startedMs = clock.monotonicMs();
    this.#occupy(lane, placed, settle);
    try {
      const [isUntouched] = await Promise.all([starter.isUntouched(placed), vm.renew(renewMs)]);
      if (!isUntouched) throw new TypeError('somebody changed the files of its template');
    } catch (error) {
      log.warn({ err: error, vmId: vm.id }, 'a service VM did not go on, it is replaced');
      lane.busy.delete(vm.id);
      fleet.end(placed);
      return undefined;
    }
    vm.tellStart({ start: 'service', bootMs: Math.round(clock.monotonicMs() - startedMs) });
    return placed;
  }

  /** Has a VM that was started for a job of the lane serve it from now on, where there is room for one more. */
  async adopt(lane: ServiceLane, placed: PlacedVm, settle: Settle): Promise<PlacedVm> {
    const { clock, fleet, log } = this.#deps;
    const { vm } = placed.started;
    const { start, bootMs, startReason } = vm.facts;
    const why = ['no service VM was idle', ...(startReason === undefined ? [] : [startReason])].join('; ');
    vm.tellStart({ start, bootMs, startReason: why.slice(0, limits.reasonLength) });
    if (!fleet.makeRoom(lane)) return placed;
    const service = { ...placed, servesSinceMs: clock.monotonicMs() };
    this.#occupy(lane, service, settle);
    fleet.follow(lane, service);
    try {
      await vm.becomeService(noteMs);
    } catch (error) {
      log.warn({ err: error, vmId: vm.id }, 'a VM cannot be reset after its job: rebuild its image');
      lane.busy.delete(vm.id);
    }
    return placed;
  }

  /** Takes a VM back whose job left it in order; false when it serves one job only, or none any more. */
  release(vm: MicroVm): boolean {
    const lane = this.#lanes.get(vm.id);
    const placed = lane?.busy.get(vm.id);
    if (lane === undefined || placed === undefined) return false;
    lane.demand = afterJob(lane.demand, lane.jobs, this.#deps.clock.monotonicMs());
    lane.busy.delete(vm.id);
    const { fleet } = this.#deps;
    const reset = this.#reset(placed).then((isReset) => {
      lane.resets.delete(reset);
      if (isReset) fleet.rest(lane, placed);
      else fleet.end(placed);
    });
    lane.resets.add(reset);
    fleet.track(reset);
    return true;
  }

  /** The next VM of the lane that a job before gives back, if there is one to come. */
  async #afterResets(lane: ServiceLane, signal: AbortSignal): Promise<ServiceVm | undefined> {
    if (!lane.hasResetToSpare) return undefined;
    const wait = this.#deps.fleet.wait(lane);
    const over = new AbortController();
    await Promise.race([
      wait.handed,
      Promise.all(lane.resets),
      aborted(AbortSignal.any([signal, over.signal])),
    ]);
    over.abort();
    const given = wait.leave();
    if (!signal.aborted) return given;
    if (given !== undefined) this.#deps.fleet.rest(lane, given);
    throw signal.reason;
  }

  #occupy(lane: ServiceLane, placed: ServiceVm, settle: Settle): void {
    const { vm, gone } = placed.started;
    lane.busy.set(vm.id, placed);
    settle();
    if (this.#lanes.has(vm.id)) return;
    this.#lanes.set(vm.id, lane);
    void gone.then(() => this.#lanes.delete(vm.id));
  }

  /** Never rejects: a VM that cannot go on is told of, and not used. */
  async #reset({ started: { vm }, servesSinceMs }: ServiceVm): Promise<boolean> {
    const { clock, life, log, ownMiBOf } = this.#deps;
    try {
      const { jobsServed = 0, memoryMiB } = vm.told;
      const uptimeMs = clock.monotonicMs() - servesSinceMs;
      const ownMiB = ownMiBOf(vm.process);
      const why = whyRecycle({ jobs: jobsServed + 1, uptimeMs, memoryMiB, ownMiB }, life);
      if (why === undefined) await vm.reset(defaults.serviceResetMs);
      else log.debug({ vmId: vm.id, why }, 'a service VM has served long enough');
      return why === undefined;
    } catch (error) {
      log.warn({ err: error, vmId: vm.id }, 'a service VM could not be reset, it is ended');
      return false;
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
