/** For tests of what is answered when: a disk they hold up. */
import type { FakeClock } from '../../platform/clock.ts';
import type { WalFlush } from './wal-flush.ts';

/** A disk that writes when the test says so. */
export class SlowDisk implements WalFlush {
  /** Beside the thread. */
  flushed = 0;
  flushedHere = 0;
  problem: Error | undefined;
  nowMs = 0;
  readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  now(): void {
    this.#clock.advance(this.nowMs);
    if (this.problem !== undefined) throw this.problem;
    this.flushedHere++;
  }

  later(): Promise<void> {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  write(): void {
    this.flushed++;
    this.waiting.shift()?.resolve();
  }

  close(): void {
    this.waiting.length = 0;
  }
}

/** Whether it has been answered by now. */
export async function isAnswered(promise: Promise<unknown>): Promise<boolean> {
  let answered = false;
  const note = (): void => {
    answered = true;
  };
  promise.then(note, note);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return answered;
}
