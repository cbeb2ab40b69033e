/**
 * Answers what was committed once it is on disk. Where the disk is slow it is flushed beside this thread, which goes on
 * with the next commit meanwhile: all that is committed until a flush has ended shares the one after it.
 */
import { type BlixardError, isBlixardError } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { unavailable } from './failure.ts';
import type { WalFlush } from './wal-flush.ts';

/** Something committed, to be told that it is on disk, or that nobody knows. */
export interface Committed {
  readonly answer: () => void;
  readonly fail: (error: BlixardError) => void;
}

/** Who flushes: this thread where the disk is quick, or always another, `beside`. */
export type FlushBy = 'soon' | 'beside';

/** One flush, and who waits for it. */
class Flush {
  readonly committed: Committed[] = [];
  readonly ended: Promise<void>;
  end: () => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }
}

/** A quicker disk is waited for in this thread: a turn of another costs more. */
const quickMs = 1;

export class Durability {
  readonly #flush: WalFlush;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Under way. */
  #current: Flush | undefined;
  /** What the flush after it will put on disk. */
  #next: Flush | undefined;
  #lastMs = 0;
  #failure: BlixardError | undefined;

  constructor(deps: { flush: WalFlush; clock: Clock; log: Log }) {
    this.#flush = deps.flush;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /** Set once a flush has failed: nobody knows what is on disk then, so no later write may be answered. */
  get failure(): BlixardError | undefined {
    return this.#failure;
  }

  /** Resolves when all that was committed before is on disk, or its flush has failed; undefined when it is. */
  settled(): Promise<void> | undefined {
    return (this.#next ?? this.#current)?.ended;
  }

  /** Takes what a transaction has committed. */
  add(committed: Committed, flush: FlushBy): void {
    if (this.#current === undefined && flush === 'soon' && this.#lastMs < quickMs) {
      this.#flushNow([committed]);
      return;
    }
    this.#next ??= new Flush();
    this.#next.committed.push(committed);
    if (this.#current === undefined) void this.#flushLater();
  }

  /** Puts on disk what is left. */
  async drain(): Promise<void> {
    if (this.#next !== undefined) {
      const { committed, end } = this.#take();
      this.#flushNow(committed);
      end();
    }
    await this.#current?.ended;
  }

  close(): void {
    this.#flush.close();
  }

  /** Nobody else can wait for it meanwhile. */
  #flushNow(committed: readonly Committed[]): void {
    const sinceMs = this.#clock.monotonicMs();
    try {
      this.#flush.now();
    } catch (error) {
      this.fail(error);
    }
    this.#answer(committed, sinceMs);
  }

  async #flushLater(): Promise<void> {
    while (this.#next !== undefined) {
      const flush = this.#take();
      this.#current = flush;
      const sinceMs = this.#clock.monotonicMs();
      await this.#flush.later().catch((error: unknown) => void this.fail(error));
      this.#current = undefined;
      this.#answer(flush.committed, sinceMs);
      flush.end();
    }
  }

  #take(): Flush {
    const flush = this.#next ?? new Flush();
    this.#next = undefined;
    return flush;
  }

  /** A flush has failed, here or elsewhere; gives what everyone is told from now on. */
  fail(error: unknown): BlixardError {
    this.#failure ??= isBlixardError(error) ? error : unavailable(error);
    this.#log.fatal({ err: error }, 'the store could not be put on disk; restart when the disk is well');
    return this.#failure;
  }

  #answer(committed: readonly Committed[], sinceMs: number): void {
    this.#lastMs = this.#clock.monotonicMs() - sinceMs;
    for (const each of committed) {
      if (this.#failure === undefined) each.answer();
      else each.fail(this.#failure);
    }
  }
}
