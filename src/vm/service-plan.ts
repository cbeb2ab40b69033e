/** How many service VMs are kept for which lane of jobs: follows demand, never above its bounds. Pure. */

/** How many service VMs there are. */
export interface ServiceBounds {
  /** Kept of a lane although it has no job, once it has had one. */
  readonly min: number;
  /** Idle ones kept ready beside the busy ones of a lane in demand. */
  readonly target: number;
  /** Of all lanes together, those in use included. */
  readonly max: number;
  /** Without a job for this long a lane is in demand no more. */
  readonly coolDownMs: number;
}

/** What has been asked of one lane lately. */
export interface ServiceDemand {
  /** Most jobs at once; 0 when it is not in demand. */
  readonly peak: number;
  /** Monotonic, when a job began or ended. */
  readonly usedAtMs: number;
  /** When `peak` was last met or changed. */
  readonly metAtMs: number;
}

/** A lane nobody has asked for yet. */
export function noServiceDemand(nowMs: number): ServiceDemand {
  return { peak: 0, usedAtMs: nowMs, metAtMs: nowMs };
}

/** After a job of the lane has begun or ended; `jobs` are there at once, the one that ended included. */
export function afterJob(demand: ServiceDemand, jobs: number, nowMs: number): ServiceDemand {
  const isMet = jobs >= demand.peak;
  return { peak: Math.max(demand.peak, jobs), usedAtMs: nowMs, metAtMs: isMet ? nowMs : demand.metAtMs };
}

/** After time has passed: one less per half cool-down that did without, and the last once no job comes any more. */
export function afterQuiet(
  demand: ServiceDemand,
  jobs: number,
  bounds: ServiceBounds,
  nowMs: number,
): ServiceDemand {
  if (jobs === 0 && nowMs - demand.usedAtMs >= bounds.coolDownMs) return { ...demand, peak: 0 };
  if (demand.peak <= Math.max(jobs, 1) || nowMs - demand.metAtMs < bounds.coolDownMs / 2) return demand;
  return { ...demand, peak: demand.peak - 1, metAtMs: nowMs };
}

/** One lane in the plan. */
export interface ServiceEntry {
  readonly key: string;
  readonly demand: ServiceDemand;
  /** Jobs that have a VM of the lane, or are on their way to one. */
  readonly jobs: number;
}

/** VMs that a lane is to have although that means to start some ahead. */
export function aheadOf({ demand, jobs }: Omit<ServiceEntry, 'key'>, bounds: ServiceBounds): number {
  return Math.max(bounds.min, demand.peak === 0 ? 0 : jobs + bounds.target);
}

/**
 * VMs to keep of each lane, busy and idle: those with a job first, which cannot be ended; then one for each lane in
 * turn, last used first, as far as the bounds go.
 */
export function planServices(
  entries: readonly ServiceEntry[],
  bounds: ServiceBounds,
): ReadonlyMap<string, number> {
  const plan = new Map(entries.map(({ key, jobs }) => [key, jobs]));
  const order = [...entries].sort((one, two) => two.demand.usedAtMs - one.demand.usedAtMs);
  let vms = entries.reduce((sum, { jobs }) => sum + jobs, 0);
  for (let grew = true; grew; ) {
    grew = false;
    for (const { key, demand, jobs } of order) {
      const wanted = Math.max(demand.peak, aheadOf({ demand, jobs }, bounds));
      const planned = plan.get(key) ?? 0;
      if (planned >= wanted || vms >= bounds.max) continue;
      plan.set(key, planned + 1);
      vms++;
      grew = true;
    }
  }
  return plan;
}
