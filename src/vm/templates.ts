/** The templates of this host: finds the one for an order, has a missing one built, keeps their size bounded. */
import { BlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import { removeTree } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { Admission, Place } from './admission.ts';
import { BuildSteps, type TellStep } from './build-steps.ts';
import type { StartOrder, VmController } from './controller.ts';
import type { Template, TemplateFiles } from './template-files.ts';

/** After a template could not be built or used, the next try waits this long. */
const retryMs = 60_000;
/** VMs in a row that a template may fail to start before it is thrown away. */
const failuresMax = 3;
const rehearsalMs = 60_000;
/** For each, which starts for the first time, from disk. */
const zygotesMs = 30_000;
const saveMs = 10_000;
/** A wait for room is told when it is one. */
const noticeMs = 500;

/** What templates are built with, and how much room they may take. */
export interface TemplatesDeps {
  readonly files: TemplateFiles;
  readonly controller: VmController;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly log: Log;
  /** On disk, all together. */
  readonly bytesMax: number;
  /** Told when a template has become ready. */
  readonly onReady: (key: string) => void;
  /** Told when one is thrown away. */
  readonly onGone: (key: string) => void;
}

interface Entry {
  bytes: number;
  usedAtMs: number;
  /** Live VMs started from it. */
  users: number;
  /** VMs in a row that could not be started from it. */
  failures: number;
  /** Undefined until its contents were checked. */
  template: Template | undefined;
}

interface Building {
  readonly done: Promise<void>;
  readonly steps: BuildSteps;
}

/** Finds, builds and forgets templates; one at a time is built. */
export class Templates {
  readonly #deps: TemplatesDeps;
  readonly #entries = new Map<string, Entry>();
  /** Keys that are not tried again before this monotonic time, and why. */
  readonly #failed = new Map<string, { readonly untilMs: number; readonly why: string }>();
  readonly #building = new Map<string, Building>();
  readonly #loading = new Map<string, Promise<Template | undefined>>();
  readonly #closing = new AbortController();
  #queue: Promise<void> = Promise.resolve();

  constructor(deps: TemplatesDeps) {
    this.#deps = deps;
  }

  /** Takes over what earlier processes built, and removes what they left half-built. */
  async open(): Promise<void> {
    for (const { key, bytes, usedAtMs } of await this.#deps.files.open()) {
      this.#entries.set(key, { bytes, usedAtMs, users: 0, failures: 0, template: undefined });
    }
    await this.#shrink();
  }

  /** Whether there is one, as far as is known. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** The template of this key, untouched since it was checked; or why there is none. */
  async find(key: string): Promise<Template | { readonly missing: string }> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return { missing: this.#whyMissing(key) };
    const template = entry.template ?? (await this.#load(key));
    if (template === undefined) return { missing: this.#whyMissing(key) };
    if (await this.#deps.files.isUntouched(template)) return template;
    await this.discard(key, 'somebody changed its files');
    return { missing: this.#whyMissing(key) };
  }

  /** Counts a VM that was started from it, until `gone`. */
  use(key: string, gone: Promise<void>): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.failures = 0;
    entry.users++;
    void gone.then(() => entry.users--);
    const nowMs = this.#deps.clock.nowMs();
    // Which one was used last matters to the minute.
    if (nowMs - entry.usedAtMs < 60_000) return;
    entry.usedAtMs = nowMs;
    this.#deps.files
      .used(key, nowMs)
      .catch((error: unknown) =>
        this.#deps.log.warn({ err: error, key }, 'the use of a template is not noted'),
      );
  }

  /** Has it built in the background, unless it is there, under way, or failed a while ago. */
  want(key: string, order: StartOrder): void {
    if (this.#isFailed(key) || this.#entries.has(key) || !this.mayBuild(key)) return;
    void this.build(key, order);
  }

  /** False where too many wait to be built, this one not among them. */
  mayBuild(key: string): boolean {
    return this.#building.has(key) || this.#building.size < limits.templatesWaiting;
  }

  /** Builds it, or waits for the build that is under way; resolves also when it failed, which `find` tells. */
  build(key: string, order: StartOrder, tell?: TellStep): Promise<void> {
    const building = this.#building.get(key) ?? this.#begin(key, order);
    if (tell !== undefined) building.steps.follow(tell);
    return building.done;
  }

  /** A VM could not be started from it; after a few in a row it is thrown away. */
  async failed(key: string, error: unknown): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined || ++entry.failures < failuresMax) return;
    await this.discard(key, `no VM could be started from it: ${problemOf(error)}`);
  }

  /** Throws a template away that is of no use; VMs started from it go on. */
  async discard(key: string, why: string): Promise<void> {
    this.#entries.delete(key);
    this.#fail(key, why);
    this.#deps.onGone(key);
    this.#deps.log.warn({ key, why }, 'a template is thrown away');
    await this.#deps.files.remove(key);
  }

  /** Ends the build under way and starts no more. */
  async close(): Promise<void> {
    this.#closing.abort(new BlixardError('VM_MANAGER_UNAVAILABLE', { reason: 'the worker is stopping' }));
    await this.#queue;
  }

  #begin(key: string, order: StartOrder): Building {
    const steps = new BuildSteps();
    if (this.#building.size > 0) steps.at('Waiting for the templates that are built before it');
    const done = this.#queue
      .then(() => this.#tryBuild(key, order, steps.at))
      .finally(() => this.#building.delete(key));
    const building = { done, steps };
    this.#building.set(key, building);
    this.#queue = done;
    return building;
  }

  async #load(key: string): Promise<Template | undefined> {
    const loading = this.#loading.get(key) ?? this.#tryLoad(key).finally(() => this.#loading.delete(key));
    this.#loading.set(key, loading);
    return await loading;
  }

  async #tryLoad(key: string): Promise<Template | undefined> {
    try {
      const template = await this.#deps.files.load(key);
      const entry = this.#entries.get(key);
      if (template === undefined || entry === undefined) throw new TypeError('it is gone');
      entry.template = template;
      return template;
    } catch (error) {
      await this.discard(key, `it is damaged: ${problemOf(error)}`);
      return undefined;
    }
  }

  async #tryBuild(key: string, order: StartOrder, step: TellStep): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted || this.#entries.has(key) || this.#isFailed(key)) return;
    try {
      await this.#build(key, order, step, signal);
      this.#failed.delete(key);
      await this.#shrink();
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(key, `it could not be built: ${problemOf(error)}`);
      this.#deps.log.warn({ err: error, key }, 'a template could not be built');
    }
    if (this.#entries.has(key)) this.#deps.onReady(key);
  }

  async #build(key: string, order: StartOrder, step: TellStep, signal: AbortSignal): Promise<void> {
    const place = await this.#enter(order.memoryMiB, step, signal);
    try {
      await this.#buildInNewFolder(key, order, step, signal);
    } finally {
      place.leave();
    }
  }

  async #enter(memoryMiB: number, step: TellStep, signal: AbortSignal): Promise<Place> {
    const { admission, clock } = this.#deps;
    const notice = clock.after(noticeMs, () => step('Waiting for room beside the jobs of this host'));
    try {
      return await admission.enterIdle(memoryMiB, signal);
    } finally {
      notice.cancel();
    }
  }

  async #buildInNewFolder(
    key: string,
    order: StartOrder,
    step: TellStep,
    signal: AbortSignal,
  ): Promise<void> {
    const { files, clock, log } = this.#deps;
    const startedMs = clock.monotonicMs();
    const dir = await files.begin();
    try {
      await this.#bootAndSave(order, dir, step, signal);
      const { image, memoryMiB, vcpus } = order;
      const usedAtMs = clock.nowMs();
      const about = { key, image: image.digest, memoryMiB, vcpus, builtAtMs: usedAtMs };
      const template = await files.finish(dir, about);
      this.#entries.set(key, { bytes: template.bytes, usedAtMs, users: 0, failures: 0, template });
      log.info(
        { key, bytes: template.bytes, ms: Math.round(clock.monotonicMs() - startedMs) },
        'template built',
      );
    } finally {
      await removeTree(dir);
    }
  }

  async #bootAndSave(order: StartOrder, dir: string, step: TellStep, signal: AbortSignal): Promise<void> {
    const { image, memoryMiB, vcpus } = order;
    step(`Booting a VM of ${image.name}:${image.tag} with ${memoryMiB} MiB and ${vcpus} CPU`);
    const { vm, gone } = await this.#deps.controller.make(order, dir, signal);
    const kill = (): void => void vm.kill();
    signal.addEventListener('abort', kill, { once: true });
    try {
      step('Rehearsing a job in it');
      await vm.startZygotes(zygotesMs).catch((error: unknown) => {
        // Commands are started plainly then.
        this.#deps.log.warn({ err: error, image: image.digest }, 'a zygote does not start');
      });
      await vm.rehearse(rehearsalMs);
      step('Saving its memory');
      await vm.save(saveMs);
    } finally {
      signal.removeEventListener('abort', kill);
      await vm.kill();
      await gone;
    }
  }

  /** Least recently used goes first, never one that a VM was started from. */
  async #shrink(): Promise<void> {
    const idle = [...this.#entries].filter(([, { users }]) => users === 0);
    idle.sort(([, one], [, two]) => one.usedAtMs - two.usedAtMs);
    for (const [key, { bytes }] of idle) {
      if (this.#bytes() <= this.#deps.bytesMax) return;
      this.#entries.delete(key);
      this.#fail(key, `its ${bytes} bytes had no room beside the other templates`);
      this.#deps.onGone(key);
      await this.#deps.files.remove(key);
    }
  }

  #bytes(): number {
    return [...this.#entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #fail(key: string, why: string): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const [other, { untilMs }] of this.#failed) if (untilMs <= nowMs) this.#failed.delete(other);
    this.#failed.set(key, { untilMs: nowMs + retryMs, why });
  }

  #isFailed(key: string): boolean {
    return (this.#failed.get(key)?.untilMs ?? 0) > this.#deps.clock.monotonicMs();
  }

  #whyMissing(key: string): string {
    if (this.#closing.signal.aborted) return 'the worker is stopping';
    if (this.#building.has(key)) return 'its template is being built';
    const failed = this.#failed.get(key);
    return failed === undefined ? 'there is no template of it yet' : `no template: ${failed.why}`;
  }
}
