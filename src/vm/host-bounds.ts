/** What one host gives all its VMs together, by what it is and what its operator says. */
import { availableParallelism, totalmem } from 'node:os';

/** Left to the host and this process. */
export const hostReserveMiB = 512;
const mib = 1024 * 1024;

/** Bounds of one host. */
export interface HostBounds {
  /** Live VMs, those starting included. */
  readonly vmsMax: number;
  readonly startsMax: number;
  /** For all VMs together, VMMs included. */
  readonly memoryMiB: number;
  /** Virtual processors of one VM. */
  readonly vcpusMax: number;
  /** Of all VMs that run a job together. */
  readonly cpusMax: number;
}

/**
 * Bounds of this host: as many starts, and processors of a VM, as cores; memory up to what the host or its container
 * has less a reserve. `cpusMax` by default: the cores, or one for each VM.
 */
export function boundsOfThisHost(vmsMax: number, cpusMax?: number): HostBounds {
  const cores = availableParallelism();
  const together = cpusMax ?? Math.max(cores, vmsMax);
  const constrained = process.constrainedMemory();
  const bytes = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  const memoryMiB = Math.floor(bytes / mib) - hostReserveMiB;
  return { vmsMax, startsMax: cores, memoryMiB, vcpusMax: Math.min(cores, together), cpusMax: together };
}
