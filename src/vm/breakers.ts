/** Circuit breakers of this host: one per image and size, and one for the host when several images fail in a row. */
import { BlixardError, type ErrorCode, isBlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { formatDurationMs } from '../domain/units.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { afterFailure, afterNothing, ask, type Breaker, closedBreaker } from './breaker.ts';
import type { StartOrder } from './controller.ts';

/** Errors that tell of the image or of the host, not of a lack of room or of a job that was cancelled. */
const blamed: readonly ErrorCode[] = ['VM_BOOT_FAILED', 'VM_CRASHED', 'VMM_REFUSED', 'GUEST_PROTOCOL'];

/** What is told of a breaker that is not closed. */
export interface BreakerTold {
  /** `name:tag`, or undefined: the host. */
  readonly image: string | undefined;
  readonly memoryMiB: number | undefined;
  readonly vcpus: number | undefined;
  readonly phase: Exclude<Breaker['phase'], 'closed'>;
  readonly failures: number;
  /** How long until the next try. */
  readonly retryInMs: number;
  /** What failed last. */
  readonly why: string;
}

/** One start that was let through. Its first end counts; the others change nothing. */
export interface Trial {
  /** A command was handed to the VM. */
  succeeded(): void;
  failed(error: unknown): void;
  /** It was ended before it could tell anything. */
  dropped(): void;
}

/** What breakers are made with. */
export interface BreakersDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Starts a VM of this order and ends it; rejects when it does not start. Tells whether the host is well again. */
  readonly probe: (order: StartOrder, signal: AbortSignal) => Promise<void>;
}

interface Entry {
  readonly order: StartOrder;
  breaker: Breaker;
  why: string;
}

/** Lets starts through, or refuses them with VM_STARTS_STOPPED. */
export class Breakers {
  readonly #deps: BreakersDeps;
  /** Only those with failures. */
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new AbortController();
  /** Images that failed since the last success of any. */
  readonly #failedImages = new Set<string>();
  #host: Breaker = closedBreaker;
  #hostWhy = '';
  #lastGood: StartOrder | undefined;
  #timer: Timer | undefined;
  #probing: Promise<void> | undefined;

  constructor(deps: BreakersDeps) {
    this.#deps = deps;
  }

  /** Asks for a start. Throws VM_STARTS_STOPPED while the breaker of this order, or of the host, is open. */
  enter(order: StartOrder): Trial {
    const stopped = this.hostStopped();
    if (stopped !== null) throw new BlixardError('VM_STARTS_STOPPED', { problem: stopped });
    const key = keyOf(order);
    const entry = this.#entries.get(key);
    if (entry === undefined) return this.#trial(order, false);
    const { permit, next } = ask(entry.breaker, this.#nowMs);
    entry.breaker = next;
    if (permit !== 'refused') return this.#trial(order, permit === 'probe');
    throw new BlixardError('VM_STARTS_STOPPED', { problem: this.#entryText(entry) });
  }

  /** Why this host starts no VMs for now, or null. */
  hostStopped(): string | null {
    if (this.#host.phase === 'closed') return null;
    const tried = `${this.#failedImages.size} images failed in a row`;
    return `${tried}, the next try is ${this.#retryText(this.#host)}; last: ${this.#hostWhy}`;
  }

  /** Those that are not closed, the host first. */
  told(): readonly BreakerTold[] {
    const none = { image: undefined, memoryMiB: undefined, vcpus: undefined };
    const host = this.#told(this.#host, none, this.#hostWhy);
    const entries = [...this.#entries.values()].flatMap(({ breaker, order, why }) => {
      const { image, memoryMiB, vcpus } = order;
      return this.#told(breaker, { image: nameOf(image), memoryMiB, vcpus }, why) ?? [];
    });
    return host === undefined ? entries : [host, ...entries];
  }

  /** Probes no more. */
  async close(): Promise<void> {
    this.#closing.abort(new BlixardError('VM_MANAGER_UNAVAILABLE', { reason: 'the worker is stopping' }));
    this.#timer?.cancel();
    await this.#probing;
  }

  get #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }

  #trial(order: StartOrder, isProbe: boolean): Trial {
    let isOver = false;
    const once = (act: () => void): void => {
      if (!isOver) act();
      isOver = true;
    };
    const dropped = (): void => {
      const entry = this.#entries.get(keyOf(order));
      if (entry !== undefined) entry.breaker = afterNothing(entry.breaker, isProbe, this.#nowMs);
    };
    return {
      succeeded: () => once(() => this.#succeeded(order)),
      failed: (error) =>
        once(() => {
          if (blamed.some((code) => isBlixardError(error, code)))
            this.#failed(order, isProbe, problemOf(error));
          else dropped();
        }),
      dropped: () => once(dropped),
    };
  }

  #succeeded(order: StartOrder): void {
    const key = keyOf(order);
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.breaker.phase !== 'closed')
      this.#deps.log.info({ key }, 'VMs of it start again');
    this.#entries.delete(key);
    this.#lastGood = order;
    this.#closeHost();
  }

  #failed(order: StartOrder, wasProbe: boolean, why: string): void {
    const key = keyOf(order);
    const entry = this.#entries.get(key) ?? { order, breaker: closedBreaker, why };
    const isNews = entry.breaker.phase !== 'open';
    const next = afterFailure(entry.breaker, wasProbe, this.#nowMs);
    entry.breaker = next;
    entry.why = why.slice(0, limits.reasonLength / 2);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (isNews && next.phase === 'open') this.#deps.log.warn({ key }, this.#entryText(entry));
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > limits.breakersMax && oldest !== undefined) this.#entries.delete(oldest);
    this.#failedOnHost(order, entry.why);
  }

  /** One image that fails again and again says nothing of the host. */
  #failedOnHost(order: StartOrder, why: string): void {
    const { digest } = order.image;
    if (this.#host.phase !== 'closed' || this.#failedImages.has(digest)) return;
    this.#failedImages.add(digest);
    this.#setHost(order, why, false);
  }

  #setHost(order: StartOrder, why: string, wasProbe: boolean): void {
    const host = afterFailure(this.#host, wasProbe, this.#nowMs);
    this.#host = host;
    this.#hostWhy = why;
    if (host.phase !== 'open') return;
    this.#deps.log.error({}, `this host starts no VMs for now: ${this.hostStopped()}`);
    const waitMs = host.untilMs - this.#nowMs;
    this.#timer?.cancel();
    this.#timer = this.#deps.clock.after(waitMs, () => {
      this.#probing = this.#probeHost(this.#lastGood ?? order);
    });
  }

  /** No job is at stake: while the host is stopped none is claimed. */
  async #probeHost(order: StartOrder): Promise<void> {
    // Timers may be early by the clock; this one was for the end of the time.
    const { permit, next } = ask(this.#host, Number.POSITIVE_INFINITY);
    if (permit !== 'probe' || this.#closing.signal.aborted) return;
    this.#host = next;
    try {
      await this.#deps.probe(order, this.#closing.signal);
      this.#closeHost();
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#setHost(order, problemOf(error).slice(0, limits.reasonLength / 2), true);
    }
  }

  #closeHost(): void {
    if (this.#host.phase !== 'closed') this.#deps.log.info({}, 'this host starts VMs again');
    this.#failedImages.clear();
    this.#host = closedBreaker;
    this.#timer?.cancel();
  }

  #entryText({ breaker, order, why }: Entry): string {
    const { image, memoryMiB } = order;
    const what = `${breaker.failures} VMs of ${nameOf(image)} with ${memoryMiB} MiB failed in a row`;
    return `${what}, the next try is ${this.#retryText(breaker)}; last: ${why}`;
  }

  #retryText(breaker: Breaker): string {
    if (breaker.phase === 'half-open') return 'under way';
    return `in ${formatDurationMs(Math.ceil(this.#retryInMs(breaker) / 1_000) * 1_000)}`;
  }

  #retryInMs(breaker: Breaker): number {
    return breaker.phase === 'open' ? Math.max(0, Math.round(breaker.untilMs - this.#nowMs)) : 0;
  }

  #told(
    breaker: Breaker,
    what: Pick<BreakerTold, 'image' | 'memoryMiB' | 'vcpus'>,
    why: string,
  ): BreakerTold | undefined {
    const { phase, failures } = breaker;
    if (phase === 'closed') return undefined;
    return { ...what, phase, failures, retryInMs: this.#retryInMs(breaker), why };
  }
}

/** Another size may start where this one does not. */
function keyOf({ image, memoryMiB, vcpus }: StartOrder): string {
  return `${image.digest}, ${memoryMiB} MiB, ${vcpus} CPU`;
}

function nameOf({ name, tag }: StartOrder['image']): string {
  return `${name}:${tag}`;
}
