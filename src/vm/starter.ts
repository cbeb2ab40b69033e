/** Starts a VM in the fastest way there is: from the pool, from its template, by a boot; and says why not faster. */
import { BlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { formatDurationMs } from '../domain/units.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Admission } from './admission.ts';
import type { TellStep } from './build-steps.ts';
import type { StartedVm, StartOrder, VmController } from './controller.ts';
import type { MicroVm } from './micro-vm.ts';
import type { PoolStats, VmPool } from './pool.ts';
import { isUntouched, type PlacedVm } from './ready-vm.ts';
import type { SpareVms } from './spares.ts';
import type { Templates } from './templates.ts';

/** What starts VMs faster than a boot. */
export interface FastStarts {
  readonly templates: Templates;
  readonly pool: VmPool;
  /** Undefined where there is a pool. */
  readonly spares: SpareVms | undefined;
  /** How long a VM may take from its start to its hello. */
  readonly restoreTimeoutMs: number;
  keyOf(order: StartOrder): Promise<string>;
}

/** What a starter is made of. */
export interface VmStarterDeps {
  readonly controller: VmController;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly log: Log;
  /** Without: why every VM is booted. */
  readonly fast: FastStarts | { readonly missing: string };
}

/** A template that is ready. */
export interface WarmedTemplate {
  readonly key: string;
  readonly bytes: number;
}

/** A VM whose place is not its own yet. */
type Begun = Omit<PlacedVm, 'place'>;

/** The one way to a VM for a job. */
export class VmStarter {
  readonly #deps: VmStarterDeps;

  constructor(deps: VmStarterDeps) {
    this.#deps = deps;
  }

  /** As soon as the host has room. Rejects with VM_LIMIT, VM_BOOT_FAILED, or the signal's reason. */
  async start(order: StartOrder, signal: AbortSignal): Promise<PlacedVm> {
    const { fast } = this.#deps;
    if ('missing' in fast)
      return await this.#place(order, signal, () => this.#boot(order, fast.missing, signal));
    const key = await fast.keyOf(order);
    const taken = await fast.pool.take(key, order, signal);
    if ('started' in taken) return taken;
    const spare = await fast.spares?.take(key, signal);
    if (spare !== undefined) told(spare.started, taken.missed);
    const restore = () => this.#restoreOrBoot(fast, key, order, taken.missed, signal);
    const placed = spare ?? (await this.#place(order, signal, restore));
    const { vm } = placed.started;
    if (vm.facts.start === 'restore') fast.spares?.restored(key, order, vm);
    return placed;
  }

  /** As `start`, for nobody yet: behind all jobs, and not from the pool, which is for them. */
  async startAhead(order: StartOrder, signal: AbortSignal): Promise<PlacedVm> {
    const { fast } = this.#deps;
    const why = 'it was started ahead';
    if ('missing' in fast)
      return await this.#place(order, signal, () => this.#boot(order, why, signal), true);
    const key = await fast.keyOf(order);
    return await this.#place(order, signal, () => this.#restoreOrBoot(fast, key, order, why, signal), true);
  }

  /** False: somebody has changed the template that this VM maps, so it is for no other job. */
  async isUntouched(placed: PlacedVm): Promise<boolean> {
    const { fast } = this.#deps;
    return 'missing' in fast || (await isUntouched(fast.templates, placed));
  }

  /** VMs that wait for a job. */
  waiting(): readonly MicroVm[] {
    const { fast } = this.#deps;
    return 'missing' in fast ? [] : [...fast.pool.list(), ...(fast.spares?.list() ?? [])];
  }

  pooled(): PoolStats {
    const { fast } = this.#deps;
    return 'missing' in fast ? { idle: 0, preparing: 0 } : fast.pool.stats;
  }

  /** Has VMs of this order ready before anybody asks, in the background. */
  async prepare(order: StartOrder): Promise<void> {
    const { fast } = this.#deps;
    if ('missing' in fast) return;
    const key = await fast.keyOf(order);
    fast.pool.keep(key, order);
    // A template of an earlier process is checked now, not when the first job needs it.
    if (fast.templates.has(key)) await fast.templates.find(key);
    fast.templates.want(key, order);
  }

  /**
   * The template of this order, built if there is none, which `tell` follows. Rejects with VM_TOO_LARGE, and with
   * TEMPLATE_FAILED, also when it is not built in time; the build goes on.
   */
  async warm(order: StartOrder, tell: TellStep): Promise<WarmedTemplate> {
    const { fast, admission } = this.#deps;
    admission.assertCpus(order.vcpus);
    const image = `${order.image.name}:${order.image.tag}`;
    const failed = (problem: string) => new BlixardError('TEMPLATE_FAILED', { image, problem });
    if ('missing' in fast) throw failed(fast.missing);
    const { templates } = fast;
    const key = await fast.keyOf(order);
    if (!templates.mayBuild(key))
      throw failed(`${limits.templatesWaiting} templates wait to be built already`);
    const inTime = templates.has(key) || (await this.#isDoneInTime(templates.build(key, order, tell)));
    if (!inTime) throw failed(`it was not built within ${formatDurationMs(limits.warmMsMax)}`);
    const found = await templates.find(key);
    if ('missing' in found) throw failed(found.missing);
    return { key, bytes: found.bytes };
  }

  async close(): Promise<void> {
    const { fast } = this.#deps;
    if ('missing' in fast) return;
    await Promise.all([fast.pool.close(), fast.spares?.close(), fast.templates.close()]);
  }

  async #isDoneInTime(done: Promise<void>): Promise<boolean> {
    const over = new AbortController();
    const late = sleep(this.#deps.clock, limits.warmMsMax, over.signal).then(() => false);
    try {
      return await Promise.race([done.then(() => true), late]);
    } finally {
      over.abort();
    }
  }

  async #place(
    { memoryMiB, purpose }: StartOrder,
    signal: AbortSignal,
    start: () => Promise<Begun>,
    ahead = false,
  ): Promise<PlacedVm> {
    const { admission } = this.#deps;
    const place = ahead
      ? await admission.enterIdle(memoryMiB, signal)
      : await admission.enter(memoryMiB, signal, purpose);
    try {
      const begun = await start();
      void begun.started.gone.then(() => place.leave());
      return { ...begun, place };
    } catch (error) {
      place.leave();
      throw error;
    }
  }

  async #restoreOrBoot(
    { templates, restoreTimeoutMs }: FastStarts,
    key: string,
    order: StartOrder,
    missed: string,
    signal: AbortSignal,
  ): Promise<Begun> {
    const template = await templates.find(key);
    if ('missing' in template) {
      templates.want(key, order);
      return await this.#boot(order, template.missing, signal);
    }
    try {
      const started = await this.#deps.controller.restore(order, template.dir, restoreTimeoutMs, signal);
      templates.use(key, started.gone);
      return { started: told(started, missed), template };
    } catch (error) {
      signal.throwIfAborted();
      this.#deps.log.warn({ err: error, key }, 'a VM did not start from its template, it is booted');
      await templates.failed(key, error);
      return await this.#boot(order, `its template failed: ${problemOf(error)}`, signal);
    }
  }

  async #boot(order: StartOrder, why: string, signal: AbortSignal): Promise<Begun> {
    return { started: told(await this.#deps.controller.boot(order, signal), why) };
  }
}

function told(started: StartedVm, startReason: string): StartedVm {
  const { start, bootMs } = started.vm.facts;
  started.vm.tellStart({ start, bootMs, startReason: startReason.slice(0, limits.reasonLength) });
  return started;
}
