/** How much memory this host has left for VMs now. */
import type { Clock } from '../platform/clock.ts';

const mib = 1_024 ** 2;
/** Starts come many at once; what the kernel says does not change that fast. */
const keptMs = 100;

/** Memory as it is now. */
export interface HostMemory {
  /** What could be had without swapping, of the host or of the cgroup of this process, whichever is less. */
  readonly availableMiB: number;
  /** What the VMs have of their own already. */
  readonly ownMiB: number;
}

/** Looks at the host; `ownMiB` is told by whoever knows the VMs. */
export function hostMemory(deps: { clock: Clock; ownMiB: () => number }): () => HostMemory {
  let seen: HostMemory | undefined;
  let seenAtMs = 0;
  return () => {
    const nowMs = deps.clock.monotonicMs();
    if (seen === undefined || nowMs - seenAtMs >= keptMs) {
      seen = { availableMiB: Math.floor(process.availableMemory() / mib), ownMiB: deps.ownMiB() };
      seenAtMs = nowMs;
    }
    return seen;
  };
}
