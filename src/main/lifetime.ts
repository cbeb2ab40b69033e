/** Runs a process until it is told to end: the first signal drains it, a second one ends it at once. */
import type { Interrupt } from '../cli/context.ts';
import { formatDurationMs } from '../domain/units.ts';
import type { Log } from '../platform/log.ts';

/** Something that runs until it is stopped. */
export interface Running {
  /** Lets what runs go on for its grace time, then stops. */
  drain(): Promise<void>;
  /** Stops now. */
  kill(): Promise<void>;
  /** Resolves when it has ended, by itself or because it was told to. */
  readonly stopped: Promise<void>;
}

type OnInterrupt = (listener: (signal: Interrupt) => void) => () => void;

const signalCodes: Readonly<Record<Interrupt, number>> = { SIGINT: 130, SIGTERM: 143 };

/** A process that ended by itself; its log says why. */
const endedByItself = 1;

/** How a process is told to end. */
export interface Ending {
  readonly onInterrupt: OnInterrupt;
  /** Told once, at the first signal. */
  onStop(signal: Interrupt): void;
}

/** Tells a worker's log what happens to its jobs. */
export function sayDraining(log: Log, graceMs: number): Ending['onStop'] {
  const text = `stopping: running jobs have ${formatDurationMs(graceMs)} to end; a second signal ends them now`;
  return (signal) => log.info({ signal }, text);
}

/** Resolves with the exit code: 0 after a drain, 128 plus the signal when a second one cut it short. */
export async function runUntilInterrupted(
  running: Running,
  { onInterrupt, onStop }: Ending,
): Promise<number> {
  const interrupts = new InterruptQueue(onInterrupt);
  try {
    const first = await Promise.race([interrupts.next(), running.stopped]);
    if (first !== undefined) onStop(first);
    const second = interrupts.next();
    const cut = await Promise.race([running.drain(), second]);
    if (cut !== undefined) {
      await running.kill();
      return signalCodes[cut];
    }
    return first === undefined ? endedByItself : 0;
  } finally {
    interrupts.close();
  }
}

/** Interrupts in the order they came, two at most. */
class InterruptQueue {
  readonly close: () => void;
  readonly #come: Interrupt[] = [];
  #waiting: ((signal: Interrupt) => void) | undefined;

  constructor(onInterrupt: OnInterrupt) {
    this.close = onInterrupt((signal) => this.#came(signal));
  }

  next(): Promise<Interrupt> {
    const signal = this.#come.shift();
    if (signal !== undefined) return Promise.resolve(signal);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #came(signal: Interrupt): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) waiting(signal);
    else if (this.#come.length < 2) this.#come.push(signal);
  }
}
