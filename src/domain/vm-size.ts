/** The size of a microVM, what has room in it, and whether there is room for it: pure. */
import { limits } from './limits.ts';

/** Memory of the guest, and its processors. */
export interface VmSize {
  readonly memoryMiB: number;
  readonly vcpus: number;
}

/**
 * Room that what a job writes can have in a guest of this memory, in MiB. The guest itself measures what it can hold
 * (`limits_room` in guest/limits.c): 4 MiB of 80, 10 of 96, 39 of 128, 91 of 192, 146 of 256, 362 of 512, 738 of 1024.
 */
export function diskMiBMax(memoryMiB: number): number {
  const room = Math.floor((memoryMiB * limits.diskMemoryPercent) / 100) - limits.diskMemoryKeptMiB;
  return Math.max(limits.diskMiBMin, room);
}

/** The least memory of a guest that has room for so much, in MiB. */
export function memoryMiBForDisk(diskMiB: number): number {
  return Math.ceil(((diskMiB + limits.diskMemoryKeptMiB) * 100) / limits.diskMemoryPercent);
}

/** Whether a VM of `size` can be had where one may be as large as `max`. */
export function fitsIn(size: VmSize, max: VmSize): boolean {
  return size.memoryMiB <= max.memoryMiB && size.vcpus <= max.vcpus;
}
