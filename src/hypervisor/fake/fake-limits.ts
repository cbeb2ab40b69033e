/** What a fake guest may take, as `guest/limits.c` limits it. */

export class FakeLimits {
  #diskBytes = Number.POSITIVE_INFINITY;
  #pids = Number.POSITIVE_INFINITY;

  /** 0: no limit. */
  set(diskBytes: number, pids: number): void {
    this.#diskBytes = diskBytes === 0 ? Number.POSITIVE_INFINITY : diskBytes;
    this.#pids = pids === 0 ? Number.POSITIVE_INFINITY : pids;
  }

  hasRoomFor(bytes: number): boolean {
    return bytes <= this.#diskBytes;
  }

  mayBe(processes: number): boolean {
    return processes <= this.#pids;
  }
}
