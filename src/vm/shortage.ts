/** Tells VMs without a job how much has to go so that one that waits for a place has it. */

/** What the first of those who wait lacks; less and less, as VMs are found that can go. */
export class Shortage {
  #vms: number;
  #memoryMiB: number;

  constructor(vms: number, memoryMiB: number) {
    this.#vms = vms;
    this.#memoryMiB = memoryMiB;
  }

  /** Nothing is lacking, once those that were found are gone. */
  get isMet(): boolean {
    return this.#vms <= 0 && this.#memoryMiB <= 0;
  }

  /** A VM that takes so much, VMM included, goes or is going. */
  meet(memoryMiB: number): void {
    this.#vms--;
    this.#memoryMiB -= memoryMiB;
  }
}
