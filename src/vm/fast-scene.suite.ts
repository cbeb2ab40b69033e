/** For tests of templates and pools: a host of fake VMs, and jobs that start one and end it. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import type { MicroVm } from './micro-vm.ts';
import type { OpenVmServiceDeps } from './open-vm-service.ts';
import type { PoolBounds } from './pool-plan.ts';
import { VmHost } from './vm-host.suite.ts';
import type { VmService } from './vm-service.ts';

export const never = new AbortController().signal;
export const order = { image: 'base', memoryMiB: 128, vcpus: 1 };
export const speed = 4;
const startedAtMs = realClock.nowMs() - realClock.monotonicMs() * speed;

/** Fast enough for tests, slow enough for a busy machine. */
export const quickClock: Clock = {
  nowMs: () => Math.round(startedAtMs + realClock.monotonicMs() * speed),
  monotonicMs: () => realClock.monotonicMs() * speed,
  after: (delayMs, fire) => realClock.after(delayMs / speed, fire),
};

export const noPool: PoolBounds = { min: 0, target: 0, max: 0, memoryMiB: 0, coolDownMs: 60_000 };

/** A pool of two VMs, but for what a test wants otherwise. */
export function pool(bounds: Partial<PoolBounds> = {}): PoolBounds {
  return { min: 0, target: 2, max: 4, memoryMiB: 4_000, coolDownMs: 60_000, ...bounds };
}

export class FastScene {
  readonly host: VmHost;

  private constructor(host: VmHost) {
    this.host = host;
  }

  static async make(): Promise<FastScene> {
    return new FastScene(await VmHost.make());
  }

  open(
    bounds: PoolBounds,
    deps: Partial<OpenVmServiceDeps> & { templateBytesMax?: number } = {},
    fake: Partial<FakeHypervisorDeps> = {},
  ): Promise<VmService> {
    const { templateBytesMax = 10_000_000, ...rest } = deps;
    const fastStarts = { templates: 'on' as const, templateBytesMax, pool: bounds };
    return this.host.open(
      { clock: quickClock, vmsMax: 8, fastStarts, ...rest },
      { clock: quickClock, ...fake },
    );
  }

  /** VMs asked of the newest driver so far. */
  get starts(): number {
    return this.host.drivers.at(-1)?.starts ?? 0;
  }

  /** Keys of the finished templates on disk. */
  async templates(): Promise<string[]> {
    const names = await readdir(join(this.host.dataDir, 'templates'));
    return names.filter((name) => !name.startsWith('building'));
  }

  clean(): Promise<void> {
    return this.host.clean();
  }
}

/** How a VM of this order is started; it is ended right away. */
export async function startOf(vms: VmService, more: Partial<typeof order> = {}) {
  const vm = await vms.start({ ...order, ...more }, never);
  const { start, startReason } = vm.facts;
  await vms.kill(vm.id);
  return { start, startReason };
}

/** What a command printed. */
export async function outputOf(vm: MicroVm, ...argv: string[]): Promise<string> {
  let text = '';
  const output = async (_: string, data: Buffer): Promise<void> => {
    text += data.toString();
  };
  await vm.exec({ argv, env: [], cwd: '/', uid: 0 }, { stdin: Buffer.alloc(0), output }).exited;
  return text;
}

/** Waits until `condition` holds; the test's own time limit ends it. */
export async function waitUntil(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}
