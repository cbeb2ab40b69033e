/** Restored, warmed and paused VMs, kept ready per template: taken by jobs, refilled behind their back. */
import { BlixardError } from '../domain/errors.ts';
import type { Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { vmmOverheadMiB } from './admission.ts';
import type { StartOrder } from './controller.ts';
import type { MicroVm } from './micro-vm.ts';
import { afterTake, afterTime, type Demand, noDemand, type PoolBounds, planPool } from './pool-plan.ts';
import { looksOf, makeReadyVm, type PlacedVm, type ReadyVm, type ReadyVmDeps } from './ready-vm.ts';
import type { Shortage } from './shortage.ts';

/** A paused VM that does not answer by then is of no use; a healthy one takes some 10 ms. */
const wakeMs = 1_000;
/** VMs that may fail to wake up for one job, which is then better served by another start. */
const takesMax = 2;
/**
 * The host's processors belong first to the jobs that take VMs: it is refilled once none has come for a while, at the
 * latest some time after the first, and at once when it was empty.
 */
const quiet = { ms: 100, latestMs: 400 };
/** After a VM could not be made ready: 1 s, doubling to 1 min. */
const pause = { firstMs: 1_000, doublingsMax: 6 };

/** What pools are made with. */
export interface VmPoolDeps extends ReadyVmDeps {
  readonly log: Log;
  readonly bounds: PoolBounds;
}

/** A VM on its way into the pool. */
interface Preparing {
  readonly abort: AbortController;
  hasPlace: boolean;
}

/** The VMs of one template. */
interface Lane {
  readonly key: string;
  readonly order: StartOrder;
  bounds: PoolBounds;
  demand: Demand;
  readonly idle: ReadyVm[];
  readonly preparing: Set<Preparing>;
  failures: number;
  pauseTimer: Timer | undefined;
}

/** What `vm stats` tells of a pool. */
export interface PoolStats {
  readonly idle: number;
  readonly preparing: number;
}

/** Hands out VMs that wait for a job, and starts others in their place. */
export class VmPool {
  readonly #deps: VmPoolDeps;
  readonly #lanes = new Map<string, Lane>();
  readonly #closing = new AbortController();
  readonly #leaving = new Set<PlacedVm>();
  readonly #pending = new Set<Promise<void>>();
  #timer: Timer | undefined;
  #refillTimer: Timer | undefined;
  #refillByMs: number | undefined;

  constructor(deps: VmPoolDeps) {
    this.#deps = deps;
    deps.admission.onShortage((shortage) => this.#evict(shortage));
  }

  get stats(): PoolStats {
    const lanes = [...this.#lanes.values()];
    const sum = (of: (lane: Lane) => number): number => lanes.reduce((total, lane) => total + of(lane), 0);
    return { idle: sum(({ idle }) => idle.length), preparing: sum(({ preparing }) => preparing.size) };
  }

  /** VMs that wait. */
  list(): readonly MicroVm[] {
    return [...this.#lanes.values()].flatMap(({ idle }) => idle.map(({ started }) => started.vm));
  }

  /** Keeps the minimum of this template ready from now on, whether anybody asks for it or not. */
  keep(key: string, order: StartOrder): void {
    const { bounds } = this.#deps;
    const lane = this.#lane(key, order, bounds);
    lane.bounds = bounds;
    lane.demand = { ...lane.demand, wanted: Math.max(lane.demand.wanted, bounds.min) };
    this.refill();
  }

  /** A template has become ready. */
  ready(key: string): void {
    const lane = this.#lanes.get(key);
    lane?.pauseTimer?.cancel();
    if (lane !== undefined) lane.pauseTimer = undefined;
    this.refill();
  }

  /**
   * A VM that waited, awake and one of its own; or why there is none. One that does not wake up is replaced, never
   * handed out. Rejects with the signal's reason.
   */
  async take(key: string, order: StartOrder, signal: AbortSignal): Promise<PlacedVm | { missed: string }> {
    const { bounds, clock } = this.#deps;
    if (bounds.target === 0) return { missed: 'the pool is off' };
    const lane = this.#lane(key, order, { ...bounds, min: 0 });
    const startedMs = clock.monotonicMs();
    await this.#endIfTouched(lane);
    for (let tried = 0; tried < takesMax; tried++) {
      const placed = lane.idle.shift();
      if (placed === undefined) return this.#missed(lane, tried);
      const wokenMs = clock.monotonicMs();
      if (await this.#wakes(placed, signal)) {
        const bootMs = Math.round(clock.monotonicMs() - wokenMs);
        placed.started.vm.tellStart({ start: 'pool', bootMs });
        lane.demand = afterTake(lane.demand, true, lane.bounds, startedMs);
        this.#refillSoon();
        return placed;
      }
      signal.throwIfAborted();
    }
    return this.#missed(lane, takesMax);
  }

  /** VMs that wait map the file of their template: who has written to it may have written to them. */
  async #endIfTouched(lane: Lane): Promise<void> {
    if (lane.idle.length === 0) return;
    const looks = await looksOf(this.#deps.templates, lane.key);
    const touched = lane.idle.filter(({ template }) => template.looks !== looks);
    for (const one of touched) this.#end(lane.idle.splice(lane.idle.indexOf(one), 1)[0]);
  }

  #missed(lane: Lane, tried: number): { missed: string } {
    lane.demand = afterTake(lane.demand, false, lane.bounds, this.#deps.clock.monotonicMs());
    this.refill();
    return { missed: tried === 0 ? 'the pool was empty' : 'the VMs of the pool did not wake up' };
  }

  /** Starts what the plan lacks and ends what is beyond it. */
  refill(): void {
    if (this.#closing.signal.aborted) return;
    this.#refillTimer?.cancel();
    this.#refillByMs = undefined;
    const plan = this.#plan();
    for (const lane of this.#lanes.values()) {
      const wanted = plan.get(lane.key) ?? 0;
      while (lane.idle.length > wanted) this.#end(lane.idle.shift());
      if (lane.pauseTimer !== undefined || !this.#deps.templates.has(lane.key)) continue;
      while (lane.idle.length + lane.preparing.size < wanted) this.#prepare(lane);
    }
    this.#timer ??= this.#deps.clock.after(this.#deps.bounds.coolDownMs / 4, () => this.#timePasses());
  }

  /** Ends all VMs that wait, and starts no more. */
  async close(): Promise<void> {
    this.#closing.abort(new BlixardError('VM_MANAGER_UNAVAILABLE', { reason: 'the worker is stopping' }));
    this.#timer?.cancel();
    this.#refillTimer?.cancel();
    for (const lane of this.#lanes.values()) {
      lane.pauseTimer?.cancel();
      for (const { abort } of lane.preparing) abort.abort(this.#closing.signal.reason);
      while (lane.idle.length > 0) this.#end(lane.idle.shift());
    }
    await Promise.all(this.#pending);
  }

  #refillSoon(): void {
    const { clock } = this.#deps;
    if (this.#closing.signal.aborted) return;
    this.#refillTimer?.cancel();
    const nowMs = clock.monotonicMs();
    this.#refillByMs ??= nowMs + quiet.latestMs;
    this.#refillTimer = clock.after(Math.max(0, Math.min(quiet.ms, this.#refillByMs - nowMs)), () =>
      this.refill(),
    );
  }

  #lane(key: string, order: StartOrder, bounds: PoolBounds): Lane {
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const demand = noDemand(bounds, this.#deps.clock.monotonicMs());
    const lane: Lane = {
      ...{ key, order, bounds, demand, failures: 0 },
      ...{ idle: [], preparing: new Set<Preparing>(), pauseTimer: undefined },
    };
    this.#lanes.set(key, lane);
    return lane;
  }

  #plan(): ReadonlyMap<string, number> {
    const entries = [...this.#lanes.values()].map(({ key, demand, order }) => {
      return { key, demand, costMiB: order.memoryMiB + vmmOverheadMiB };
    });
    return planPool(entries, this.#deps.bounds);
  }

  async #wakes(placed: PlacedVm, signal: AbortSignal): Promise<boolean> {
    const { vm } = placed.started;
    try {
      await vm.wake(wakeMs);
      if (!signal.aborted) return true;
    } catch (error) {
      this.#deps.log.warn({ err: error, vmId: vm.id }, 'a VM of the pool did not wake up, it is replaced');
    }
    this.#end(placed);
    return false;
  }

  #prepare(lane: Lane): void {
    const abort = new AbortController();
    const entry: Preparing = { abort, hasPlace: false };
    lane.preparing.add(entry);
    const onPlace = (): void => {
      entry.hasPlace = true;
    };
    const preparing = makeReadyVm(this.#deps, { ...lane, signal: abort.signal, onPlace })
      .then(
        (placed) => this.#ready(lane, placed),
        (error: unknown) => this.#notReady(lane, error, abort.signal),
      )
      .finally(() => {
        lane.preparing.delete(entry);
        this.#pending.delete(preparing);
        this.refill();
      });
    this.#pending.add(preparing);
  }

  #ready(lane: Lane, placed: ReadyVm | undefined): void {
    if (placed === undefined) return;
    lane.failures = 0;
    lane.idle.push(placed);
    void placed.started.gone.then(() => {
      const at = lane.idle.indexOf(placed);
      if (at >= 0) lane.idle.splice(at, 1);
      this.refill();
    });
  }

  async #notReady(lane: Lane, error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    lane.failures++;
    this.#rest(lane);
    this.#deps.log.warn({ err: error, key: lane.key }, 'a VM could not be made ready for the pool');
    await this.#deps.templates.failed(lane.key, error);
  }

  #rest(lane: Lane): void {
    const ms = pause.firstMs * 2 ** Math.min(lane.failures, pause.doublingsMax);
    lane.pauseTimer ??= this.#deps.clock.after(ms, () => {
      lane.pauseTimer = undefined;
      this.refill();
    });
  }

  /** Those least asked for go first, then those that are being made ready. */
  #evict(shortage: Shortage): void {
    for (const { place } of this.#leaving) shortage.meet(place.memoryMiB);
    const lanes = [...this.#lanes.values()].sort((one, two) => one.demand.takenAtMs - two.demand.takenAtMs);
    for (const { idle } of lanes) {
      for (let placed = idle[0]; placed !== undefined && !shortage.isMet; placed = idle[0]) {
        this.#end(idle.shift());
        shortage.meet(placed.place.memoryMiB);
      }
    }
    if (shortage.isMet) return;
    const evicted = new BlixardError('VM_LIMIT', { problem: 'a job needs the room' });
    for (const { preparing, order } of lanes) {
      for (const { abort, hasPlace } of preparing) {
        if (!hasPlace) continue;
        abort.abort(evicted);
        shortage.meet(order.memoryMiB + vmmOverheadMiB);
      }
    }
  }

  #timePasses(): void {
    this.#timer = undefined;
    const nowMs = this.#deps.clock.monotonicMs();
    for (const lane of this.#lanes.values()) {
      lane.demand = afterTime(lane.demand, lane.bounds, nowMs);
      const isOver = lane.demand.wanted === 0 && lane.idle.length + lane.preparing.size === 0;
      if (isOver && lane.pauseTimer === undefined) this.#lanes.delete(lane.key);
    }
    if (this.#lanes.size > 0) this.refill();
  }

  #end(placed: PlacedVm | undefined): void {
    if (placed === undefined) return;
    this.#leaving.add(placed);
    const { vm, gone } = placed.started;
    const ended = vm
      .kill()
      .then(() => gone)
      .finally(() => {
        this.#leaving.delete(placed);
        this.#pending.delete(ended);
      });
    this.#pending.add(ended);
  }
}
