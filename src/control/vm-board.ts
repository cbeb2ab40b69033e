/** The VMs that workers tell of with their work calls, and what jobs lack there; in memory, as both end with them. */
import type { Job } from '../contract/job.ts';
import type { JobLacking, Vm, VmPage, VmReport, VmStats, VmStop } from '../contract/vm.ts';
import type { Worker, WorkRequest } from '../contract/worker.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import type { Signals } from './signals.ts';

interface Told {
  readonly generation: number;
  readonly atMs: number;
  readonly vms: ReadonlyMap<string, VmReport>;
  readonly stopped: readonly VmStop[];
  readonly lacking: readonly JobLacking[];
}

/** What a page of VMs is asked for with. */
export interface VmQuery {
  readonly worker?: string;
  readonly use?: VmReport['use'];
  readonly limit?: number;
  readonly cursor?: string;
}

/** What the board is made from. */
export interface VmBoardDeps {
  readonly signals: Signals;
  readonly clock: Clock;
  /** All workers that are known. */
  readonly workers: () => Promise<readonly Worker[]>;
}

/** One entry per worker that holds a lease; what others say is not kept. */
export class VmBoard {
  readonly #deps: VmBoardDeps;
  /** What the calls under way say, until the lease of their worker is renewed. */
  readonly #offered = new Map<string, WorkRequest>();
  readonly #told = new Map<string, Told>();

  constructor(deps: VmBoardDeps) {
    this.#deps = deps;
    deps.signals.onLease((workerId, untilMs) => {
      if (untilMs === null) this.#told.delete(workerId);
      else this.#take(workerId);
    });
  }

  /** A work call is served; what it tells counts as soon as the call has renewed the lease of its worker. */
  offer(workerId: string, body: WorkRequest): void {
    this.#offered.set(workerId, body);
  }

  /** The call is over. */
  withdraw(workerId: string, body: WorkRequest): void {
    if (this.#offered.get(workerId) === body) this.#offered.delete(workerId);
  }

  /** A page of the VMs of all workers that are online, oldest first. */
  async list({ worker, use, limit = defaults.pageSize, cursor = '' }: VmQuery): Promise<VmPage> {
    const vms = (await this.#all()).filter(
      (vm) => (worker ?? vm.workerId) === vm.workerId && (use ?? vm.use) === vm.use && vm.id > cursor,
    );
    const page = vms.sort((one, two) => (one.id < two.id ? -1 : 1)).slice(0, limit);
    return { vms: page, nextCursor: page.length < vms.length ? (page.at(-1)?.id ?? null) : null };
  }

  /** The VM of this id, or of this start of one. Throws VM_NOT_FOUND, also when there are several. */
  async get(start: string): Promise<Vm> {
    const [vm, ...more] = (await this.#all()).filter(({ id }) => id.startsWith(start));
    if (vm !== undefined && more.length === 0) return vm;
    throw new BlixardError('VM_NOT_FOUND', { vmId: start });
  }

  /** What a claimed job lacks on its worker, as that has told last; undefined when nothing, or nothing was told. */
  lacking({ id, attempt, workerId }: Pick<Job, 'id' | 'attempt' | 'workerId'>): JobLacking | undefined {
    const lacking = workerId === null ? undefined : this.#told.get(workerId)?.lacking;
    return lacking?.find((one) => one.jobId === id && one.attempt === attempt);
  }

  async stats(): Promise<VmStats> {
    const vms = await this.#all();
    const byState = { starting: 0, ready: 0, busy: 0, idle: 0, draining: 0, terminated: 0, failed: 0 };
    const byUse = { job: 0, pool: 0, service: 0 };
    const byStart = { service: 0, pool: 0, restore: 0, boot: 0 };
    const usage = { rssKiB: 0, pssKiB: 0, cpuMs: 0, readBytes: 0, writtenBytes: 0 };
    let memoryMiB = 0;
    for (const vm of vms) {
      for (const name of Object.keys(usage) as (keyof typeof usage)[])
        usage[name] = sum(usage[name], vm.usage?.[name] ?? 0);
      byUse[vm.use]++;
      byStart[vm.start]++;
      byState[vm.state]++;
      memoryMiB = sum(memoryMiB, vm.memoryMiB);
    }
    return { vms: vms.length, memoryMiB, byUse, byStart, byState, usage, stopped: await this.#stopped() };
  }

  #take(workerId: string): void {
    const body = this.#offered.get(workerId);
    if (body?.vms === undefined) return;
    const { generation, vms, vmsStopped: stopped = [], lacking = [] } = body;
    const atMs = this.#deps.clock.nowMs();
    if ((this.#told.get(workerId)?.generation ?? 0) > generation) return;
    this.#told.set(workerId, {
      generation,
      atMs,
      vms: new Map(vms.map((vm) => [vm.id, vm])),
      stopped,
      lacking,
    });
  }

  async #all(): Promise<Vm[]> {
    return (await this.#online()).flatMap(({ workerId, workerName, told }) =>
      [...told.vms.values()].map((vm) => ({ ...vm, workerId, workerName, toldAtMs: told.atMs })),
    );
  }

  async #stopped(): Promise<VmStats['stopped']> {
    return (await this.#online()).flatMap(({ workerId, workerName, told }) =>
      told.stopped.map((stop) => ({ ...stop, workerId, workerName })),
    );
  }

  /** An older generation's VMs are gone with it. */
  async #online(): Promise<{ workerId: string; workerName: string; told: Told }[]> {
    const workers = await this.#deps.workers();
    return workers.flatMap(({ id: workerId, name: workerName, generation, state }) => {
      const told = this.#told.get(workerId);
      return state === 'offline' || told?.generation !== generation ? [] : [{ workerId, workerName, told }];
    });
  }
}

/** What workers tell may be anything up to the largest whole number, which an answer must not exceed either. */
function sum(one: number, other: number): number {
  return Math.min(one + other, limits.integerMax);
}
