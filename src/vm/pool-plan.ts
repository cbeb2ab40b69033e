/** How many VMs are kept ready of which template: follows demand, never above its bounds. Pure. */

/** Bounds of all pools of a host together, but for `min` and `target`, which are of each. */
export interface PoolBounds {
  /** Kept ready of a template although nobody asks for it. */
  readonly min: number;
  /** Kept ready of a template that is in demand. */
  readonly target: number;
  /** Idle VMs of all templates. */
  readonly max: number;
  /** Memory of all idle VMs, counted as if all of it were used, VMMs included. */
  readonly memoryMiB: number;
  /** Without a take for this long a template is in demand no more. */
  readonly coolDownMs: number;
}

/** What has been asked of one template lately. */
export interface Demand {
  /** Idle VMs that would meet it. */
  readonly wanted: number;
  /** Monotonic; minus infinity before the first. */
  readonly takenAtMs: number;
  /** When `wanted` was last changed. */
  readonly changedAtMs: number;
}

/** A template nobody has asked for yet. */
export function noDemand(bounds: PoolBounds, nowMs: number): Demand {
  return { wanted: bounds.min, takenAtMs: Number.NEGATIVE_INFINITY, changedAtMs: nowMs };
}

/** After a job asked for a VM; a miss found none ready, so that one more would have been of use. */
export function afterTake(demand: Demand, hit: boolean, bounds: PoolBounds, nowMs: number): Demand {
  const inDemand = Math.min(Math.max(demand.wanted, bounds.target), bounds.max);
  // The first miss of a template only tells that it is in demand.
  const isFirst = demand.takenAtMs === Number.NEGATIVE_INFINITY;
  const wanted = hit || isFirst ? inDemand : Math.min(inDemand + 1, bounds.max);
  const isSettled = hit && wanted === demand.wanted;
  return { wanted, takenAtMs: nowMs, changedAtMs: isSettled ? demand.changedAtMs : nowMs };
}

/** After time has passed: one less per cool-down, and none above the minimum once nobody asks any more. */
export function afterTime(demand: Demand, bounds: PoolBounds, nowMs: number): Demand {
  if (nowMs - demand.takenAtMs >= bounds.coolDownMs) {
    return demand.wanted === bounds.min ? demand : { ...demand, wanted: bounds.min, changedAtMs: nowMs };
  }
  if (demand.wanted <= bounds.target || nowMs - demand.changedAtMs < bounds.coolDownMs / 2) return demand;
  return { ...demand, wanted: demand.wanted - 1, changedAtMs: nowMs };
}

/** One template in the plan. */
export interface PlanEntry {
  readonly key: string;
  readonly demand: Demand;
  /** What one VM of it takes. */
  readonly costMiB: number;
}

/** Idle VMs to keep of each template: one of each in turn, last asked for first, as far as the bounds go. */
export function planPool(entries: readonly PlanEntry[], bounds: PoolBounds): ReadonlyMap<string, number> {
  const plan = new Map(entries.map(({ key }) => [key, 0]));
  const order = [...entries].sort((one, two) => two.demand.takenAtMs - one.demand.takenAtMs);
  let [vms, memoryMiB] = [0, 0];
  for (let round = 1, grew = true; grew; round++) {
    grew = false;
    for (const { key, demand, costMiB } of order) {
      const fits = vms < bounds.max && memoryMiB + costMiB <= bounds.memoryMiB;
      if (demand.wanted < round || !fits) continue;
      plan.set(key, round);
      vms++;
      memoryMiB += costMiB;
      grew = true;
    }
  }
  return plan;
}
