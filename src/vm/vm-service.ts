/** The only door to VMs: holds a VmManager, or the reason why there is none. */
import { BlixardError } from '../domain/errors.ts';
import type { VmSize } from '../domain/vm-size.ts';
import type { BreakerTold } from './breaker-words.ts';
import type { TellStep } from './build-steps.ts';
import type { ProbedHost } from './host-probe.ts';
import type { Lack } from './lacking.ts';
import type { LateOpening } from './late-opening.ts';
import type { MicroVm, VmTold } from './micro-vm.ts';
import type { PoolStats } from './pool.ts';
import type { WarmedTemplate } from './starter.ts';
import type { VmManager, VmOrder } from './vm-manager.ts';

/** Behind it are VMs, or nothing, and why; `isLocked`: another process has them for now. */
export type Door =
  | { readonly manager: VmManager }
  | { readonly unavailable: string; readonly isLocked?: boolean };

const nothing: readonly never[] = [];

/** Without a manager every command rejects with VM_MANAGER_UNAVAILABLE, finders find nothing, counts are 0. */
export class VmService {
  #door: Door;
  readonly #late: LateOpening | undefined;

  private constructor(door: Door, late?: LateOpening) {
    this.#door = door;
    this.#late = late;
  }

  /** A door with nothing behind it, and why; `late` may open it. */
  static unavailable(reason: string, late?: LateOpening): VmService {
    const service = new VmService({ unavailable: reason }, late);
    late?.begin((door) => {
      service.#door = door;
    });
    return service;
  }

  static of(manager: VmManager): VmService {
    return new VmService({ manager });
  }

  isAvailable(): boolean {
    return 'manager' in this.#door;
  }

  /** Why there are no VMs, for good or for now; null when there can be. */
  unavailableReason(): string | null {
    return 'unavailable' in this.#door ? this.#door.unavailable : this.#door.manager.stopped();
  }

  /** The largest VM this host can ever give; undefined without VMs. */
  vmMax(): VmSize | undefined {
    return this.#manager()?.vmMax;
  }

  /** See `VmManager.breakers`. */
  breakers(): readonly BreakerTold[] {
    return this.#manager()?.breakers() ?? [];
  }

  /** What each job that waits for room on this host lacks. */
  lacking(): readonly Lack[] {
    return this.#manager()?.lacking() ?? nothing;
  }

  /** See `VmManager.start`. */
  async start(order: VmOrder, signal: AbortSignal): Promise<MicroVm> {
    return await this.#command().start(order, signal);
  }

  /** See `VmManager.stop`. */
  async stop(vmId: string, graceMs: number): Promise<void> {
    await this.#command().stop(vmId, graceMs);
  }

  /** See `VmManager.kill`. */
  async kill(vmId: string): Promise<void> {
    await this.#command().kill(vmId);
  }

  /** See `VmManager.release`. */
  async release(vmId: string, how: { readonly inOrder: boolean }): Promise<void> {
    await this.#command().release(vmId, how);
  }

  /** The live VM of this id. */
  find(vmId: string): MicroVm | undefined {
    return this.#manager()?.find(vmId);
  }

  /** What is told of all VMs, those that wait for a job too. */
  told(): readonly VmTold[] {
    return this.#manager()?.told() ?? [];
  }

  /** See `VmManager.measure`. */
  measure(vm: MicroVm): void {
    this.#manager()?.measure(vm);
  }

  /** All live VMs that serve somebody. */
  list(): readonly MicroVm[] {
    return this.#manager()?.list() ?? [];
  }

  /** Live VMs, those starting and those of the pool included. */
  count(): number {
    return this.#manager()?.count() ?? 0;
  }

  /** VMs that wait for a job, and those on their way there. */
  pooled(): PoolStats {
    return this.#manager()?.pooled() ?? { idle: 0, preparing: 0 };
  }

  /** See `VmManager.warm`. */
  async warm(order: VmOrder, tell: TellStep = () => undefined): Promise<WarmedTemplate> {
    return await this.#command().warm(order, tell);
  }

  /** What this host starts VMs with. */
  host(): ProbedHost | undefined {
    return this.#manager()?.host;
  }

  /** Ends all VMs and starts no more; nothing to do without a manager. Safe to call again. */
  async close(): Promise<void> {
    await this.#late?.close();
    await this.#manager()?.close();
  }

  #manager(): VmManager | undefined {
    return 'manager' in this.#door ? this.#door.manager : undefined;
  }

  #command(): VmManager {
    if ('manager' in this.#door) return this.#door.manager;
    throw new BlixardError('VM_MANAGER_UNAVAILABLE', { reason: this.#door.unavailable });
  }
}
