/** The size of a microVM, and whether there is room for it: pure. */

/** Memory of the guest, and its processors. */
export interface VmSize {
  readonly memoryMiB: number;
  readonly vcpus: number;
}

/** Whether a VM of `size` can be had where one may be as large as `max`. */
export function fitsIn(size: VmSize, max: VmSize): boolean {
  return size.memoryMiB <= max.memoryMiB && size.vcpus <= max.vcpus;
}
