/** Circuit breakers of the starts of this host: one per image and size, and that of the host. */
import { BlixardError, type ErrorCode, isBlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { afterFailure, afterNothing, ask, type Breaker, closedBreaker, isProven } from './breaker.ts';
import { type BreakerTold, brokenOf, probeMs, refusalOf, retryInMs, retryText } from './breaker-words.ts';
import type { StartOrder } from './controller.ts';
import { HostBreaker, type HostBreakerDeps } from './host-breaker.ts';

/** Errors that tell of the image or of the host, not of a lack of room or of a job that was cancelled. */
const blamed: readonly ErrorCode[] = ['VM_BOOT_FAILED', 'VM_CRASHED', 'VMM_REFUSED', 'GUEST_PROTOCOL'];

/** One start that was let through. Its first end counts; the others change nothing. */
export interface Trial {
  /** A command was handed to the VM. */
  succeeded(): void;
  failed(error: unknown): void;
  /** It was ended before it could tell anything. */
  dropped(): void;
}

interface Entry {
  readonly order: StartOrder;
  /** Monotonic, of the first failure in a row, or of the newest probe. */
  sinceMs: number;
  breaker: Breaker;
  why: string;
}

/** Lets starts through, or refuses them with VM_STARTS_STOPPED or IMAGE_BROKEN. */
export class Breakers {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #host: HostBreaker;
  /** Only those with failures. */
  readonly #entries = new Map<string, Entry>();

  constructor(deps: Omit<HostBreakerDeps, 'isStopped'>) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    const isStopped = (order: StartOrder): boolean =>
      (this.#entries.get(keyOf(order))?.breaker.phase ?? 'closed') !== 'closed';
    this.#host = new HostBreaker({ ...deps, isStopped });
  }

  /**
   * Asks for a start. Throws VM_STARTS_STOPPED while the breaker of this order, or of the host, is open; IMAGE_BROKEN
   * when a probe of the order has failed too, and something else has started since.
   */
  enter(order: StartOrder): Trial {
    this.#host.assertStarts();
    const entry = this.#entries.get(keyOf(order));
    if (entry === undefined) return this.#trial(order, false);
    const { permit, next } = ask(entry.breaker, this.#nowMs);
    entry.breaker = next;
    if (permit === 'probe') entry.sinceMs = this.#nowMs;
    if (permit !== 'refused') return this.#trial(order, permit === 'probe');
    throw this.#refusal(entry);
  }

  /** Why this host starts no VMs for now, or null. */
  hostStopped(): string | null {
    return this.#host.stopped();
  }

  /** Those that are not closed, the host first. */
  told(): readonly BreakerTold[] {
    const host = this.#host.told();
    const entries = [...this.#entries.values()].flatMap(({ breaker, order, why }): BreakerTold[] => {
      const { phase, failures } = breaker;
      if (phase === 'closed') return [];
      const { image, memoryMiB, vcpus } = order;
      const state = { phase, failures, retryInMs: retryInMs(breaker, this.#nowMs), why };
      return [{ image: nameOf(image), memoryMiB, vcpus, ...state }];
    });
    return host === undefined ? entries : [host, ...entries];
  }

  /** Probes no more. */
  async close(): Promise<void> {
    await this.#host.close();
  }

  get #nowMs(): number {
    return this.#clock.monotonicMs();
  }

  #refusal(entry: Entry): BlixardError {
    const { breaker, sinceMs } = entry;
    const nowMs = this.#nowMs;
    const known = isProven(breaker);
    if (known && this.#host.isWellSince(sinceMs))
      return new BlixardError('IMAGE_BROKEN', brokenOf(breaker, nowMs, this.#brokenText(entry)));
    const refusal = refusalOf(breaker, nowMs, this.#text(entry));
    const soon = known && this.#host.isBeingProbed ? { retryInMs: probeMs } : {};
    return new BlixardError('VM_STARTS_STOPPED', { ...refusal, ...soon });
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
    const failed = (error: unknown): void => {
      if (blamed.some((code) => isBlixardError(error, code))) {
        this.#failed(order, isProbe, problemOf(error).slice(0, limits.breakerWhyLength));
      } else {
        dropped();
      }
    };
    return {
      succeeded: () => once(() => this.#succeeded(order)),
      failed: (error) => once(() => failed(error)),
      dropped: () => once(dropped),
    };
  }

  #succeeded(order: StartOrder): void {
    const key = keyOf(order);
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.breaker.phase !== 'closed')
      this.#log.info({ key }, 'VMs of it start again');
    this.#entries.delete(key);
    this.#host.succeeded(order);
  }

  #failed(order: StartOrder, wasProbe: boolean, why: string): void {
    const entry = this.#remember(order);
    const wasOpen = entry.breaker.phase === 'open';
    const next = afterFailure(entry.breaker, wasProbe, this.#nowMs);
    entry.breaker = next;
    entry.why = why;
    this.#host.failed(order, why);
    if (wasOpen || next.phase !== 'open') return;
    this.#log.warn({}, `starts are stopped: ${this.#text(entry)}`);
    this.#host.imageStopped(entry.sinceMs);
  }

  /** As the one that failed last. */
  #remember(order: StartOrder): Entry {
    const key = keyOf(order);
    const known = this.#entries.get(key);
    const entry = known ?? { order, sinceMs: this.#nowMs, breaker: closedBreaker, why: '' };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > limits.breakersMax && oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }

  #brokenText(entry: Entry): string {
    const mend = 'build it anew (blixard image build), or give its VMs more memory (-m)';
    return `${failuresText(entry)}, while others start on this host: ${mend}; last: ${entry.why}`;
  }

  #text(entry: Entry): string {
    const { breaker, why } = entry;
    return `${failuresText(entry)}, the next try is ${retryText(breaker, this.#nowMs)}; last: ${why}`;
  }
}

/** Another size may start where this one does not. */
function keyOf({ image, memoryMiB, vcpus }: StartOrder): string {
  return `${image.digest}, ${memoryMiB} MiB, ${vcpus} CPU`;
}

function failuresText({ breaker, order: { image, memoryMiB } }: Entry): string {
  return `${breaker.failures} VMs of ${nameOf(image)} with ${memoryMiB} MiB failed in a row`;
}

function nameOf({ name, tag }: StartOrder['image']): string {
  return `${name}:${tag}`;
}
