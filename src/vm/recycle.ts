/** When a service VM has served long enough: it is ended after its job, and another one takes its place. */
import { vmmOverheadMiB } from './admission.ts';

/** How long a service VM may go on. */
export interface ServiceLife {
  /** Jobs of one VM. */
  readonly jobsMax: number;
  /** Since its start. */
  readonly uptimeMaxMs: number;
  /** Of the memory granted to the VM, what its VMM may have taken, in percent. */
  readonly memoryPercentMax: number;
}

/** One service VM after a job. */
export interface ServiceAge {
  /** Jobs it has served, this one included. */
  readonly jobs: number;
  readonly uptimeMs: number;
  /** Of the guest. */
  readonly memoryMiB: number;
  /** Memory of its VMM's own; undefined where that cannot be told. */
  readonly ownMiB: number | undefined;
}

/** Why it is to be ended, in words; undefined when it may go on. */
export function whyRecycle(age: ServiceAge, life: ServiceLife): string | undefined {
  if (age.jobs >= life.jobsMax) return `it has served ${age.jobs} jobs`;
  if (age.uptimeMs >= life.uptimeMaxMs) return `it has been up for ${Math.round(age.uptimeMs / 1_000)} s`;
  const boundMiB = ((age.memoryMiB + vmmOverheadMiB) * life.memoryPercentMax) / 100;
  if (age.ownMiB !== undefined && age.ownMiB > boundMiB) {
    return `it takes ${Math.round(age.ownMiB)} MiB of at most ${Math.round(boundMiB)} MiB`;
  }
  return undefined;
}
