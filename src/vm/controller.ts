/** Starts one VM by a cold boot: record, spawn, hello; tries a failed boot once more; clears away what ended. */
import { BlixardError, isBlixardError, problemOf } from '../domain/errors.ts';
import type { Capabilities, Hypervisor, RunningVm } from '../hypervisor/hypervisor.ts';
import type { Image } from '../image/image-store.ts';
import type { Clock } from '../platform/clock.ts';
import { failpoint } from '../platform/failpoint.ts';
import type { Log } from '../platform/log.ts';
import type { Ids } from '../platform/random.ts';
import { lastWords } from './console-tail.ts';
import { GuestSession } from './guest-session.ts';
import { MicroVm } from './micro-vm.ts';
import type { VmRegistry } from './registry.ts';

const lastWordsLength = 300;

/** What to boot. */
export interface BootOrder {
  readonly image: Image;
  readonly memoryMiB: number;
  readonly vcpus: number;
}

/** A started VM, and the moment after which nothing of it is left on the host. */
export interface StartedVm {
  readonly vm: MicroVm;
  /** Resolves when the VMM has ended and folder and record are removed; never rejects. */
  readonly gone: Promise<void>;
}

/** What every boot of this controller has in common. */
export interface VmControllerDeps {
  readonly hypervisor: Hypervisor;
  readonly capabilities: Capabilities;
  readonly registry: VmRegistry;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  /** Rate of the time stamp counter, software emulation only. */
  readonly tscKhz: number | undefined;
  /** Spawn of the VMM to the agent's hello. */
  readonly bootTimeoutMs: number;
  /** Boots tried before the start has failed. */
  readonly boots: number;
}

/** Boots VMs one way: this driver, this rate, this patience. */
export class VmController {
  readonly #deps: VmControllerDeps;

  constructor(deps: VmControllerDeps) {
    this.#deps = deps;
  }

  /** Boots a VM. Rejects with VM_BOOT_FAILED, or with the signal's reason; then nothing of it is left. */
  async start(order: BootOrder, signal: AbortSignal): Promise<StartedVm> {
    for (let boot = 1; ; boot++) {
      try {
        return await this.#boot(order, signal);
      } catch (error) {
        if (boot >= this.#deps.boots || !isBlixardError(error, 'VM_BOOT_FAILED')) throw error;
        this.#deps.log.warn({ err: error, boot }, 'a VM did not boot, it is tried again');
      }
    }
  }

  async #boot(order: BootOrder, signal: AbortSignal): Promise<StartedVm> {
    const { clock, ids, registry } = this.#deps;
    const id = ids();
    const { digest } = order.image;
    const { memoryMiB, vcpus } = order;
    try {
      const record = { id, image: digest, memoryMiB, vcpus, createdAtMs: clock.nowMs(), vmm: null };
      const runDir = await registry.open(record);
      signal.throwIfAborted();
      failpoint('vm-recorded');
      const spawnedAtMs = clock.monotonicMs();
      const running = await this.#spawn(id, runDir, order);
      failpoint('vm-spawned');
      return await this.#greet(this.#watch(running, order), running, spawnedAtMs, signal);
    } catch (error) {
      await registry.forget(id);
      throw error;
    }
  }

  async #spawn(id: string, runDir: string, { image, memoryMiB, vcpus }: BootOrder): Promise<RunningVm> {
    const { hypervisor, tscKhz } = this.#deps;
    return await hypervisor.start({
      id,
      memoryMiB,
      vcpus,
      kernelPath: image.kernelPath,
      initrdPath: image.initrdPath,
      rootPath: image.rootPath,
      rootFsType: image.rootFsType,
      runDir,
      ...(tscKhz === undefined ? {} : { tscKhz }),
    });
  }

  #watch(running: RunningVm, order: BootOrder): StartedVm {
    const { capabilities, clock, ids } = this.#deps;
    const session = new GuestSession({ channel: running.channel, clock, token: ids() });
    const vm = new MicroVm({
      running,
      session,
      clock,
      origin: {
        vmId: running.id,
        hypervisor: capabilities.driver,
        accel: capabilities.accel,
        start: 'boot',
        image: order.image.digest,
      },
    });
    return { vm, gone: vm.exited.then(() => this.#clear(running.id)) };
  }

  async #greet(
    started: StartedVm,
    running: RunningVm,
    spawnedAtMs: number,
    signal: AbortSignal,
  ): Promise<StartedVm> {
    const { vm } = started;
    const kill = (): void => void vm.kill();
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
    const results = await Promise.allSettled([
      vm.hello(this.#deps.bootTimeoutMs, spawnedAtMs),
      this.#deps.registry.spawned(running.id, running.identity),
    ]);
    signal.removeEventListener('abort', kill);
    const failure = results.find((result) => result.status === 'rejected');
    if (failure === undefined && !signal.aborted) return started;
    const exit = await vm.kill();
    await started.gone;
    signal.throwIfAborted();
    throw bootFailure(failure?.reason, lastWords(vm.console(), exit, lastWordsLength));
  }

  async #clear(vmId: string): Promise<void> {
    try {
      await this.#deps.registry.forget(vmId);
    } catch (error) {
      this.#deps.log.error({ err: error, vmId }, 'the folder of a VM could not be removed');
    }
  }
}

function bootFailure(error: unknown, words: string): BlixardError {
  if (isBlixardError(error) && error.code !== 'VM_BOOT_FAILED') return error;
  const problem = isBlixardError(error) ? String(error.details['problem']) : problemOf(error);
  return new BlixardError('VM_BOOT_FAILED', { problem: problem + words }, { cause: error });
}
