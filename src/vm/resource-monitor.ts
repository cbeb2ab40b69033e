/** Looks now and then at what the VMMs use of the host; one timer, which runs only while something may change. */
import type { ProcessIdentity } from '../hypervisor/hypervisor.ts';
import { type ProcessUsage, pssKiBOf, usageOf } from '../hypervisor/process-usage.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';

const everyMs = 5_000;
/** The kernel walks all pages of a VM for its share, so it is asked for less often, and of few at once. */
const share = { everyMs: 30_000, perLook: 4 };

/** What a VM used when it was looked at last. */
export interface VmUsage extends ProcessUsage {
  /** Memory, pages shared with other VMs by their share; null before it was looked at. */
  readonly pssKiB: number | null;
  /** Epoch ms. */
  readonly atMs: number;
}

/** A VM, as far as its process goes. */
export interface Measured {
  readonly id: string;
  readonly process: ProcessIdentity;
  readonly isPaused: boolean;
}

/** How to look; tests have their own. */
export interface ProcessEyes {
  usageOf(process: ProcessIdentity): ProcessUsage | undefined;
  pssKiBOf(process: ProcessIdentity): Promise<number | undefined>;
}

interface Seen {
  usage: VmUsage | undefined;
  /** It could not be looked at since. */
  isStale: boolean;
  /** When its share was told last, and asked for last. */
  pssAtMs: number;
  pssAskedAtMs: number;
  /** A paused VM changes no more once it was looked at as such. */
  isSettled: boolean;
}

/** What a monitor is made with. */
export interface ResourceMonitorDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** All live VMs. */
  readonly vms: () => readonly Measured[];
  readonly eyes?: ProcessEyes;
}

/** Keeps the newest usage of each live VM. */
export class ResourceMonitor {
  readonly #deps: ResourceMonitorDeps;
  readonly #eyes: ProcessEyes;
  readonly #seen = new Map<string, Seen>();
  #timer: Timer | undefined;
  #isStopped = false;
  #failures = 0;
  /** It was told that looks fail; until one is without a failure. */
  #isBlind = false;

  constructor(deps: ResourceMonitorDeps) {
    this.#deps = deps;
    this.#eyes = deps.eyes ?? { usageOf, pssKiBOf };
  }

  /** There is a VM that may use something: looks within some seconds. */
  wake(): void {
    if (!this.#isStopped) this.#timer ??= this.#deps.clock.after(everyMs, () => void this.#look());
  }

  /** What was seen of each VM last; a look follows within some seconds where that may have changed. */
  of(vms: readonly Measured[]): readonly (VmUsage | undefined)[] {
    if (vms.some((vm) => this.#mayChange(vm))) this.wake();
    return vms.map(({ id }) => this.#seen.get(id)?.usage);
  }

  /** Memory of their own that the live VMs had when they were looked at last; of new ones nothing is known. */
  get ownMiB(): number {
    const live = this.#deps.vms().map(({ id }) => this.#seen.get(id)?.usage?.anonKiB ?? 0);
    return Math.floor(live.reduce((sum, kiB) => sum + kiB, 0) / 1_024);
  }

  /** Looks at one VM now; gives what was seen last when its process is gone or cannot be looked at. */
  measure(vm: Measured): VmUsage | undefined {
    const seen = this.#seen.get(vm.id) ?? {
      ...{ usage: undefined, isStale: false, isSettled: false },
      ...{ pssAtMs: Number.NEGATIVE_INFINITY, pssAskedAtMs: Number.NEGATIVE_INFINITY },
    };
    this.#seen.set(vm.id, seen);
    try {
      const usage = this.#eyes.usageOf(vm.process);
      const pssKiB = seen.usage?.pssKiB ?? null;
      if (usage !== undefined) seen.usage = { ...usage, pssKiB, atMs: this.#deps.clock.nowMs() };
      seen.isStale = false;
    } catch (error) {
      seen.isStale = true;
      this.#cannotLook(error);
    }
    return seen.usage;
  }

  /** Looks no more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #mayChange(vm: Measured): boolean {
    return !vm.isPaused || this.#seen.get(vm.id)?.isSettled !== true;
  }

  async #look(): Promise<void> {
    const failuresBefore = this.#failures;
    let goesOn = true;
    try {
      const vms = this.#deps.vms();
      this.#forgetAllBut(vms);
      const changing = vms.filter((vm) => this.#mayChange(vm));
      for (const vm of changing) this.measure(vm);
      await this.#lookAtShares(changing);
      goesOn = changing.length > 0;
    } catch (error) {
      this.#cannotLook(error);
    }
    if (this.#failures === failuresBefore) this.#isBlind = false;
    this.#timer = undefined;
    if (goesOn) this.wake();
  }

  /** As when this process has too many files open: what was seen last holds until a later look succeeds. */
  #cannotLook(error: unknown): void {
    this.#failures++;
    if (!this.#isBlind) this.#deps.log.warn({ err: error }, 'what the VMs use of the host cannot be told');
    this.#isBlind = true;
  }

  #forgetAllBut(vms: readonly Measured[]): void {
    const live = new Set(vms.map(({ id }) => id));
    for (const id of this.#seen.keys()) if (!live.has(id)) this.#seen.delete(id);
  }

  /** Those first that were asked for longest ago. */
  async #lookAtShares(vms: readonly Measured[]): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    const due = vms
      .flatMap((vm) => {
        const seen = this.#seen.get(vm.id);
        return seen === undefined ? [] : [{ vm, seen }];
      })
      .filter(({ vm, seen }) => vm.isPaused || nowMs - seen.pssAtMs >= share.everyMs)
      .sort((one, two) => one.seen.pssAskedAtMs - two.seen.pssAskedAtMs)
      .slice(0, share.perLook);
    for (const { vm, seen } of due) await this.#lookAtShare(vm, seen, nowMs);
  }

  async #lookAtShare(vm: Measured, seen: Seen, nowMs: number): Promise<void> {
    seen.pssAskedAtMs = nowMs;
    const wasPaused = vm.isPaused;
    try {
      const pssKiB = (await this.#eyes.pssKiBOf(vm.process)) ?? null;
      if (seen.usage !== undefined) seen.usage = { ...seen.usage, pssKiB };
      seen.pssAtMs = nowMs;
      seen.isSettled = wasPaused && vm.isPaused && !seen.isStale;
    } catch (error) {
      this.#cannotLook(error);
    }
  }
}
