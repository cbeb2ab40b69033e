/** The VMs of one host: admits, starts, finds and ends them. */
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import type { Isolation } from '../domain/isolation.ts';
import type { VmSize } from '../domain/vm-size.ts';
import type { ImageStore } from '../image/image-store.ts';
import { wellImages } from '../image/well-images.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Admission } from './admission.ts';
import type { BreakerTold } from './breaker-words.ts';
import { Breakers, type Trial } from './breakers.ts';
import type { TellStep } from './build-steps.ts';
import type { StartedVm, StartOrder } from './controller.ts';
import { followTrial } from './follow-trial.ts';
import type { HealthChecker } from './health.ts';
import type { ProbedHost } from './host-probe.ts';
import type { Lack } from './lacking.ts';
import type { MicroVm, VmTold } from './micro-vm.ts';
import type { PoolStats } from './pool.ts';
import type { PlacedVm } from './ready-vm.ts';
import { ResourceMonitor } from './resource-monitor.ts';
import { VmRouter, type VmServices } from './router.ts';
import type { LaneOwner } from './service-lane.ts';
import type { VmStarter, WarmedTemplate } from './starter.ts';

/** What somebody wants to run. */
export interface VmOrder {
  /** `name` or `name:tag`. */
  readonly image: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** For whom, told with the VM. */
  readonly purpose?: string;
  readonly isolation?: Isolation;
  /** Default `standard`. Whose VMs it may have after them where it is `shared`, whose template where `maximum`. */
  readonly queue?: string;
  readonly tenant?: string;
}

/** The parts of a manager, built by `openVmService`. */
export interface VmManagerDeps {
  readonly host: ProbedHost;
  readonly images: Pick<ImageStore, 'find' | 'list'> & Partial<Pick<ImageStore, 'dir'>>;
  readonly admission: Admission;
  readonly starter: VmStarter;
  readonly health: HealthChecker;
  readonly clock: Clock;
  readonly services: VmServices | undefined;
  readonly log: Log;
  /** Gives up the VMs' folder, and what VMs left elsewhere, once the last VM is gone. */
  readonly release: () => Promise<void>;
}

/** Owns every VM it started until nothing of it is left on the host. */
export class VmManager {
  /** What this host starts VMs with. */
  readonly host: ProbedHost;
  readonly #deps: VmManagerDeps;
  readonly #breakers: Breakers;
  readonly #resources: ResourceMonitor;
  readonly #live = new Map<string, StartedVm>();
  readonly #starts = new Set<{ readonly abort: AbortController; readonly settled: Promise<unknown> }>();
  readonly #router: VmRouter;
  #closing: Promise<void> | undefined;

  constructor(deps: VmManagerDeps) {
    this.#deps = deps;
    this.#router = new VmRouter(deps);
    this.host = deps.host;
    const { clock, log } = deps;
    this.#resources = new ResourceMonitor({ clock, log, vms: () => this.#all() });
    this.#breakers = new Breakers({
      ...{ clock, log },
      orders: () => this.#smallOrders(),
      probe: (order, signal) => this.#probe(order, signal),
    });
  }

  /**
   * Starts a VM as soon as the host has room for it. Rejects with IMAGE_MISSING, IMAGE_BROKEN, VM_LIMIT, VM_TOO_LARGE,
   * VM_BOOT_FAILED, VM_STARTS_STOPPED, VM_MANAGER_UNAVAILABLE when closing, or the signal's reason; then nothing of the
   * VM is left.
   */
  async start(order: VmOrder, signal: AbortSignal): Promise<MicroVm> {
    this.#assertOpen();
    signal.throwIfAborted();
    const abort = new AbortController();
    const passOn = (): void => abort.abort(signal.reason);
    signal.addEventListener('abort', passOn, { once: true });
    const starting = this.#start(order, abort.signal);
    const entry = { abort, settled: Promise.allSettled([starting]) };
    this.#starts.add(entry);
    try {
      return await starting;
    } finally {
      this.#starts.delete(entry);
      signal.removeEventListener('abort', passOn);
    }
  }

  /** The live VM of this id. */
  find(vmId: string): MicroVm | undefined {
    return this.#live.get(vmId)?.vm;
  }

  /** What is told of all VMs, those that wait for a job too. */
  told(): readonly VmTold[] {
    const vms = this.#all();
    const usages = this.#resources.of(vms);
    return vms.map((vm, index) => ({ ...vm.told, usage: usages[index] }));
  }

  /** See `ResourceMonitor.ownMiB`. */
  get ownMiB(): number {
    return this.#resources.ownMiB;
  }

  /** Has the facts of a VM tell what it has cost the host so far. */
  measure(vm: MicroVm): void {
    const usage = this.#resources.measure(vm);
    if (usage === undefined) return;
    vm.tellCost({ hostCpuMs: usage.cpuMs, hostMemoryPeakKiB: usage.rssPeakKiB });
  }

  /** All live VMs that serve somebody. */
  list(): readonly MicroVm[] {
    return [...this.#live.values()].map(({ vm }) => vm).filter(({ isIdle }) => !isIdle);
  }

  /** Live VMs, those starting and those of the pool included. */
  count(): number {
    return this.#deps.admission.live;
  }

  /** See `Admission.vmMax`. */
  get vmMax(): VmSize {
    return this.#deps.admission.vmMax;
  }

  /** Why no VM is started on this host for now, or null. */
  stopped(): string | null {
    return this.#breakers.hostStopped();
  }

  /** Circuit breakers that are not closed. */
  breakers(): readonly BreakerTold[] {
    return this.#breakers.told();
  }

  /** See `Admission.lacking`. */
  lacking(): readonly Lack[] {
    return this.#deps.admission.lacking();
  }

  /** VMs that wait for a job, and those on their way there. */
  pooled(): PoolStats {
    return this.#deps.starter.pooled();
  }

  /** Builds an order's template where there is none. Rejects with IMAGE_MISSING, VM_TOO_LARGE, TEMPLATE_FAILED. */
  async warm(order: VmOrder, tell: TellStep): Promise<WarmedTemplate> {
    this.#assertOpen();
    return await this.#deps.starter.warm(await this.#startOrder(order), tell);
  }

  /** Powers a VM off, and kills it after `graceMs`; resolves when nothing of it is left. An ended VM is fine. */
  async stop(vmId: string, graceMs: number): Promise<void> {
    const started = this.#live.get(vmId);
    await started?.vm.stop(graceMs);
    await started?.gone;
  }

  /** Ends a VM at once; resolves when nothing of it is left. An ended VM is fine. */
  async kill(vmId: string): Promise<void> {
    const started = this.#live.get(vmId);
    await started?.vm.kill();
    await started?.gone;
  }

  /**
   * Takes a VM back from its job. One that may serve others, and was left in order, is kept; any other is ended.
   * Resolves when it is gone, or on its way to the next job.
   */
  async release(vmId: string, how: { readonly inOrder: boolean }): Promise<void> {
    const vm = this.#live.get(vmId)?.vm;
    if (vm === undefined) return;
    // Else its command may still run.
    if (how.inOrder) this.#deps.admission.processors.giveBack(vmId);
    const mayBeKept = how.inOrder && this.#closing === undefined;
    if (!mayBeKept || this.#deps.services?.vms.release(vm) !== true) await this.kill(vmId);
  }

  /** Ends all VMs and starts no more. Safe to call again. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  #all(): readonly MicroVm[] {
    const { starter, services } = this.#deps;
    const live = [...this.#live.values()].map(({ vm }) => vm);
    return [...new Set([...live, ...starter.waiting(), ...(services?.fleet.idle() ?? [])])];
  }

  async #start(order: VmOrder, signal: AbortSignal): Promise<MicroVm> {
    const startOrder = await this.#startOrder(order);
    this.#deps.admission.assertCpus(order.vcpus);
    const { isolation = defaults.isolation, queue = defaults.queue, tenant = defaults.tenant } = order;
    const owner = isolation === 'shared' ? { queue, tenant } : undefined;
    const trial = this.#breakers.enter(startOrder);
    const { started } = await this.#place(startOrder, owner, trial, signal);
    if (order.purpose !== undefined) started.vm.serve(order.purpose);
    return started.vm;
  }

  async #place(
    order: StartOrder,
    owner: LaneOwner | undefined,
    trial: Trial,
    signal: AbortSignal,
  ): Promise<PlacedVm> {
    try {
      const start = () => this.#router.start(order, owner, signal);
      const placed = await this.#deps.admission.processors.lend(order.vcpus, signal, start, order.purpose);
      this.#keep(placed);
      followTrial(placed.started.vm, trial);
      return placed;
    } catch (error) {
      trial.failed(signal.aborted ? signal.reason : error);
      throw error;
    }
  }

  #keep({ started, place }: PlacedVm): void {
    const { vm, gone } = started;
    if (this.#live.has(vm.id)) return;
    place.started();
    this.#live.set(vm.id, started);
    this.#deps.health.watch(vm);
    this.#resources.wake();
    void gone.then(() => {
      this.#live.delete(vm.id);
      this.#deps.log.debug({ vmId: vm.id, state: vm.state }, 'VM gone');
    });
  }

  async #smallOrders(): Promise<readonly StartOrder[]> {
    const { memoryMiB, vcpus } = defaults;
    return (await wellImages(this.#deps)).map((image) => ({ image, memoryMiB, vcpus }));
  }

  /** Nobody's VM, started only to see whether it does. */
  async #probe(order: StartOrder, signal: AbortSignal): Promise<void> {
    const placed = await this.#deps.starter.start(order, signal);
    this.#keep(placed);
    await this.kill(placed.started.vm.id);
  }

  async #startOrder(order: VmOrder): Promise<StartOrder> {
    const { image: name, memoryMiB, vcpus, isolation, purpose, tenant = defaults.tenant } = order;
    const image = await this.#deps.images.find(name);
    if (image !== undefined) {
      const whose = isolation === 'maximum' ? { tenant } : {};
      return { image, memoryMiB, vcpus, ...whose, ...(purpose === undefined ? {} : { purpose }) };
    }
    const images = await wellImages(this.#deps);
    const known = images.map((one) => `${one.name}:${one.tag}`).join(', ');
    const { dir = 'the folder of this host' } = this.#deps.images;
    throw new BlixardError('IMAGE_MISSING', { image: name, dir, known: known || 'none' });
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new BlixardError('VM_MANAGER_UNAVAILABLE', { reason: 'the worker is stopping' });
    }
  }

  async #close(): Promise<void> {
    const stopping = new BlixardError('VM_MANAGER_UNAVAILABLE', { reason: 'the worker is stopping' });
    const starts = [...this.#starts];
    for (const { abort } of starts) abort.abort(stopping);
    await Promise.all(starts.map(({ settled }) => settled));
    this.#resources.stop();
    const { starter, services } = this.#deps;
    const ended = [...this.#live.keys()].map((vmId) => this.kill(vmId));
    await Promise.all([this.#breakers.close(), starter.close(), services?.fleet.close(), ...ended]);
    await this.#deps.release();
  }
}
