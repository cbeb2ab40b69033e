/** Starts one VM: record, spawn, hello; by a boot, which is tried once more, or from a template; clears it away. */
import type { VmFacts } from '../contract/job.ts';
import { BlixardError, isBlixardError, problemOf } from '../domain/errors.ts';
import type {
  Capabilities,
  Hypervisor,
  RunningVm,
  TemplateSpec,
  TemplateUse,
} from '../hypervisor/hypervisor.ts';
import type { Image } from '../image/image-store.ts';
import type { Clock } from '../platform/clock.ts';
import { failpoint } from '../platform/failpoint.ts';
import type { Log } from '../platform/log.ts';
import type { Ids, Random } from '../platform/random.ts';
import { lastWords } from './console-tail.ts';
import { GuestSession } from './guest-session.ts';
import { MicroVm } from './micro-vm.ts';
import type { VmRegistry } from './registry.ts';
import { type Zygote, zygotesOf } from './zygotes.ts';

const lastWordsLength = 300;
/** Nobody waits for a VM that makes a template, and it is built while the host has other things to do. */
const patienceOfNobody = 3;

/** What to start. */
export interface StartOrder {
  readonly image: Image;
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** Whose alone its template and the pool of it are; undefined: everybody's but theirs. */
  readonly tenant?: string;
  /** For whom, told while it waits for room; nothing else goes by it. */
  readonly purpose?: string;
}

/** A started VM, and the moment after which nothing of it is left on the host. */
export interface StartedVm {
  readonly vm: MicroVm;
  /** Resolves when the VMM has ended and folder and record are removed; never rejects. */
  readonly gone: Promise<void>;
}

/** A VM whose VMM waits for the word to take its template in. */
export interface WaitingVm extends StartedVm, Pick<RunningVm, 'answers'> {
  /** Takes it in, within `timeoutMs`. Rejects as `boot` does. */
  goOn(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

/** What every start of this controller has in common. */
export interface VmControllerDeps {
  readonly hypervisor: Hypervisor;
  readonly capabilities: Capabilities;
  readonly registry: VmRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly log: Log;
  /** Rate of the time stamp counter, software emulation only. */
  readonly tscKhz: number | undefined;
  /** Spawn of the VMM to the agent's hello. */
  readonly bootTimeoutMs: number;
  /** Boots tried before the start has failed. */
  readonly boots: number;
}

interface Launch {
  readonly order: StartOrder;
  readonly start: VmFacts['start'];
  readonly timeoutMs: number;
  readonly template?: TemplateUse;
}

interface Spawned {
  readonly running: RunningVm;
  readonly started: StartedVm;
  readonly spawnedAtMs: number;
}

/** Starts VMs one way: this driver, this rate, this patience. */
export class VmController {
  readonly #deps: VmControllerDeps;

  constructor(deps: VmControllerDeps) {
    this.#deps = deps;
  }

  /** Boots a VM. Rejects with VM_BOOT_FAILED, or with the signal's reason; then nothing of it is left. */
  async boot(order: StartOrder, signal: AbortSignal): Promise<StartedVm> {
    const timeoutMs = this.#deps.bootTimeoutMs;
    for (let boot = 1; ; boot++) {
      try {
        return await this.#launch({ order, start: 'boot', timeoutMs }, signal);
      } catch (error) {
        if (boot >= this.#deps.boots || !isBlixardError(error, 'VM_BOOT_FAILED')) throw error;
        this.#deps.log.warn({ err: error, boot }, 'a VM did not boot, it is tried again');
      }
    }
  }

  /** Boots a VM whose memory lies in `dir`, to be saved there. Rejects as `boot` does. */
  async make(order: StartOrder, dir: string, signal: AbortSignal): Promise<StartedVm> {
    const timeoutMs = this.#deps.bootTimeoutMs * patienceOfNobody;
    return await this.#launch({ order, start: 'boot', timeoutMs, template: { act: 'make', dir } }, signal);
  }

  /** Starts a VM from the template in `dir`. Rejects as `boot` does. */
  async restore(order: StartOrder, dir: string, timeoutMs: number, signal: AbortSignal): Promise<StartedVm> {
    return await this.#launch(
      { order, start: 'restore', timeoutMs, template: { act: 'start', dir } },
      signal,
    );
  }

  /** As `restore`, up to where the VMM would take the template in. */
  async startWaiting(order: StartOrder, dir: string, signal: AbortSignal): Promise<WaitingVm> {
    const template = { act: 'start', dir, waits: true } as const;
    const { running, started } = await this.#spawn(order, template, signal);
    const { vm, gone } = started;
    vm.tellStart({ start: 'restore', bootMs: 0 });
    const recorded = this.#deps.registry.spawned(running.id, running.identity);
    try {
      await recorded;
      signal.throwIfAborted();
    } catch (error) {
      await vm.kill();
      await gone;
      throw error;
    }
    const goOn = async (timeoutMs: number, stop: AbortSignal): Promise<void> => {
      const wokenMs = this.#deps.clock.monotonicMs();
      await this.#greet(started, recorded, timeoutMs, stop);
      vm.tellStart({ start: 'restore', bootMs: Math.round(this.#deps.clock.monotonicMs() - wokenMs) });
    };
    return { vm, gone, goOn, answers: () => running.answers() };
  }

  /** What VMs of this order have in common. */
  specOf({ image, memoryMiB, vcpus }: StartOrder): TemplateSpec {
    const { tscKhz } = this.#deps;
    const { kernelPath, initrdPath, rootPath, rootFsType } = image;
    const rate = tscKhz === undefined ? {} : { tscKhz };
    return { memoryMiB, vcpus, kernelPath, initrdPath, rootPath, rootFsType, ...rate };
  }

  async #launch({ order, start, timeoutMs, template }: Launch, signal: AbortSignal): Promise<StartedVm> {
    const { clock, registry } = this.#deps;
    const { running, started, spawnedAtMs } = await this.#spawn(order, template, signal);
    await this.#greet(started, registry.spawned(running.id, running.identity), timeoutMs, signal);
    started.vm.tellStart({ start, bootMs: Math.round(clock.monotonicMs() - spawnedAtMs) });
    failpoint('vm-greeted');
    return started;
  }

  /** Record first, then process. Rejects with VM_BOOT_FAILED, or the signal's reason; then neither is there. */
  async #spawn(order: StartOrder, template: TemplateUse | undefined, signal: AbortSignal): Promise<Spawned> {
    const { clock, hypervisor, ids, registry } = this.#deps;
    const id = ids();
    const { memoryMiB, vcpus, image } = order;
    // Reads files, which may fail: not once there is a VMM.
    const zygotes = zygotesOf(image.labels);
    try {
      const record = { id, image: image.digest, memoryMiB, vcpus, createdAtMs: clock.nowMs(), vmm: null };
      const runDir = await registry.open(record);
      signal.throwIfAborted();
      failpoint('vm-recorded');
      const spawnedAtMs = clock.monotonicMs();
      const use = template === undefined ? {} : { template };
      const running = await hypervisor.start({ ...this.specOf(order), id, runDir, ...use });
      failpoint('vm-spawned');
      return { running, started: this.#watch(running, order, zygotes, template?.waits), spawnedAtMs };
    } catch (error) {
      await registry.forget(id);
      throw error;
    }
  }

  #watch(running: RunningVm, order: StartOrder, zygotes: readonly Zygote[], waits = false): StartedVm {
    const { capabilities, clock, ids, random } = this.#deps;
    const session = new GuestSession({ channel: running.channel, clock, token: ids() });
    const { driver: hypervisor, accel, lockIn } = capabilities;
    const { sandbox } = lockIn;
    const origin = { vmId: running.id, hypervisor, accel, sandbox, image: order.image.digest };
    const { memoryMiB, vcpus } = order;
    const size = { memoryMiB, vcpus };
    const vm = new MicroVm({ running, session, clock, random, origin, size, zygotes, waits });
    return { vm, gone: vm.exited.then(() => this.#clear(running.id)) };
  }

  /** Waits for the agent, and for the record. Of a VM that does not come up nothing is left when this rejects. */
  async #greet(
    { vm, gone }: StartedVm,
    recorded: Promise<void>,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const kill = (): void => void vm.kill();
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
    const results = await Promise.allSettled([vm.greet(timeoutMs), recorded]);
    signal.removeEventListener('abort', kill);
    const failure = results.find((result) => result.status === 'rejected');
    if (failure === undefined && !signal.aborted) return;
    const exit = await vm.kill();
    await gone;
    signal.throwIfAborted();
    throw bootFailure(failure?.reason, lastWords(vm.console(), exit, lastWordsLength));
  }

  async #clear(vmId: string): Promise<void> {
    failpoint('vm-ended');
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
