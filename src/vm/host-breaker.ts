/** The circuit breaker of a host: opens when not one image, but the host itself does not start VMs. */
import { BlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { afterFailure, ask, type Breaker, breakerBounds, closedBreaker } from './breaker.ts';
import { type BreakerTold, refusalOf, retryInMs, retryText } from './breaker-words.ts';
import type { StartOrder } from './controller.ts';

/** What it is made with. */
export interface HostBreakerDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** One order of each image that is on the host. */
  readonly orders: () => Promise<readonly StartOrder[]>;
  /** Whether VMs of this order are not started for now. */
  readonly isStopped: (order: StartOrder) => boolean;
  /** Starts a VM, for nobody, and ends it; rejects when it does not start. */
  readonly probe: (order: StartOrder, signal: AbortSignal) => Promise<void>;
}

/** Three different images that fail in a row open it, and so does one when no other starts either. */
export class HostBreaker {
  readonly #deps: HostBreakerDeps;
  readonly #closing = new AbortController();
  /** Digests of those that failed since the last success of any. */
  readonly #failedImages = new Set<string>();
  #breaker: Breaker = closedBreaker;
  #why = '';
  #lastGood: StartOrder | undefined;
  #goodAtMs = Number.NEGATIVE_INFINITY;
  #probes = 0;
  #timer: Timer | undefined;
  #probing: Promise<void> | undefined;

  constructor(deps: HostBreakerDeps) {
    this.#deps = deps;
  }

  /** Why this host starts no VMs for now, or null. */
  stopped(): string | null {
    if (this.#breaker.phase === 'closed') return null;
    return `no image starts on this host, the next try is ${retryText(this.#breaker, this.#nowMs)}; last: ${this.#why}`;
  }

  /** Throws VM_STARTS_STOPPED while it starts none. */
  assertStarts(): void {
    const problem = this.stopped();
    if (problem === null) return;
    throw new BlixardError('VM_STARTS_STOPPED', refusalOf(this.#breaker, this.#nowMs, problem));
  }

  /** It starts VMs, one of them at this time (monotonic) or later. */
  isWellSince(sinceMs: number): boolean {
    return this.#breaker.phase === 'closed' && this.#goodAtMs >= sinceMs;
  }

  /** Whether it starts VMs is being looked at. */
  get isBeingProbed(): boolean {
    return this.#probing !== undefined;
  }

  told(): BreakerTold | undefined {
    const { phase, failures } = this.#breaker;
    if (phase === 'closed') return undefined;
    const what = { image: undefined, memoryMiB: undefined, vcpus: undefined };
    return { ...what, phase, failures, retryInMs: retryInMs(this.#breaker, this.#nowMs), why: this.#why };
  }

  /** Something starts here. */
  succeeded(order: StartOrder): void {
    this.#lastGood = order;
    this.#goodAtMs = this.#nowMs;
    this.#failedImages.clear();
    if (this.#breaker.phase !== 'closed') this.#deps.log.info({}, 'this host starts VMs again');
    this.#breaker = closedBreaker;
    this.#timer?.cancel();
  }

  /** One image that fails again and again says nothing of the host. */
  failed({ image }: StartOrder, why: string): void {
    if (this.#breaker.phase !== 'closed' || this.#failedImages.has(image.digest)) return;
    this.#failedImages.add(image.digest);
    this.#fail(why, false);
  }

  /** An image was stopped that has failed since then. If nothing started meanwhile, the host may be at fault: see. */
  imageStopped(sinceMs: number): void {
    if (this.#breaker.phase !== 'closed' || this.#goodAtMs >= sinceMs || this.#probing !== undefined) return;
    this.#see();
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

  #see(): void {
    this.#probing = this.#probe().finally(() => {
      this.#probing = undefined;
    });
  }

  /** No job is at stake: while the host is stopped none is claimed. */
  async #probe(): Promise<void> {
    const { signal } = this.#closing;
    const orders = await this.#orders();
    if (signal.aborted) return;
    const order = this.#candidate(orders ?? []);
    if (order !== undefined) await this.#try(order, signal);
    else if (orders === undefined) this.#putOff();
    else this.#closeUntried();
  }

  async #try(order: StartOrder, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.probe(order, signal);
      this.succeeded(order);
    } catch (error) {
      if (!signal.aborted) this.#fail(problemOf(error), true);
    }
  }

  /** Without an image nothing fails either; the first one to come decides anew. */
  #closeUntried(): void {
    if (this.#breaker.phase === 'closed') return;
    this.#deps.log.info({}, 'this host has no image to try, it starts VMs again when it has one');
    this.#breaker = closedBreaker;
    this.#failedImages.clear();
  }

  /** The next try is as far away as if this one had failed. */
  #putOff(): void {
    const { phase, failures } = this.#breaker;
    if (phase === 'closed') return;
    this.#breaker = { phase: 'open', failures, untilMs: this.#nowMs + breakerBounds.openMs };
    this.#tryLater(breakerBounds.openMs);
  }

  /** Each time another image, those that are not stopped before all. */
  #candidate(orders: readonly StartOrder[]): StartOrder | undefined {
    const all = [...(this.#lastGood === undefined ? [] : [this.#lastGood]), ...orders];
    const well = all.filter((order) => !this.#deps.isStopped(order));
    const candidates = well.length > 0 ? well : all;
    return candidates[this.#probes++ % Math.max(1, candidates.length)];
  }

  /** Undefined where they cannot be listed, which tells nothing of whether VMs start. */
  async #orders(): Promise<readonly StartOrder[] | undefined> {
    try {
      return await this.#deps.orders();
    } catch (error) {
      this.#deps.log.error({ err: error }, 'the images of this host cannot be listed');
      return undefined;
    }
  }

  /** A probe that fails opens it whatever came before; without one, several failures do. */
  #fail(why: string, wasProbe: boolean): void {
    const before = this.#breaker;
    const nowMs = this.#nowMs;
    this.#why = why.slice(0, limits.breakerWhyLength);
    this.#breaker = afterFailure(before, wasProbe, nowMs);
    if (wasProbe && this.#breaker.phase === 'closed') this.#breaker = opened(this.#breaker, nowMs);
    if (this.#breaker.phase !== 'open') return;
    this.#deps.log.error({}, `this host starts no VMs for now: ${this.stopped()}`);
    this.#tryLater(this.#breaker.untilMs - nowMs);
  }

  #tryLater(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#deps.clock.after(delayMs, () => {
      // Timers may be early by the clock; this one was for the end of the time.
      this.#breaker = ask(this.#breaker, Number.POSITIVE_INFINITY).next;
      this.#see();
    });
  }
}

/** As if the last failure allowed had come. */
function opened(breaker: Breaker, nowMs: number): Breaker {
  let next = breaker;
  while (next.phase === 'closed') next = afterFailure(next, false, nowMs);
  return next;
}
