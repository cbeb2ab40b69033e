/** Virtual time: one queue of all that will happen, in an order that one seed decides. */
import type { Clock, Timer } from '../../src/platform/clock.ts';
import type { Random } from '../../src/platform/random.ts';

/** When the simulated world begins, epoch ms. */
const beginMs = 1_700_000_000_000;

/** A simulated process: what is its own happens only while it lives, and waits while it is stopped. */
export class SimProcess {
  readonly name: string;
  alive = true;
  /** Its wall clock is that far ahead. */
  skewMs = 0;
  readonly #held: Entry[] = [];
  #stopped = false;

  constructor(name: string) {
    this.name = name;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** As SIGSTOP does. */
  stop(): void {
    this.#stopped = true;
  }

  hold(entry: Entry): void {
    this.#held.push(entry);
  }

  /** As SIGCONT does; gives what was to happen meanwhile. */
  continue(): Entry[] {
    this.#stopped = false;
    return this.#held.splice(0);
  }
}

interface Entry {
  atMs: number;
  /** Decides among what happens at the same time. */
  tie: number;
  readonly process: SimProcess | undefined;
  readonly what: string;
  readonly run: () => void | Promise<void>;
  cancelled: boolean;
}

/** The queue, the time, and the trace of what happened. */
export class SimTime {
  nowMs = 0;
  steps = 0;
  /** Hash of every line of the trace: equal for equal runs. */
  hash = 0x811c9dc5;
  readonly random: Random;
  readonly #queue: Entry[] = [];
  readonly #onLine: (line: string) => void;

  constructor(random: Random, onLine: (line: string) => void) {
    this.random = random;
    this.#onLine = onLine;
  }

  /** Has `run` done in `delayMs`, in the life of `process` if that is given. */
  after(
    delayMs: number,
    what: string,
    process: SimProcess | undefined,
    run: () => void | Promise<void>,
  ): Timer {
    const entry: Entry = {
      atMs: this.nowMs + delayMs,
      tie: this.random.unit(),
      process,
      what,
      run,
      cancelled: false,
    };
    this.#push(entry);
    const cancel = (): void => {
      entry.cancelled = true;
    };
    return { cancel };
  }

  /** A clock for one process. */
  clockOf(process: SimProcess): Clock {
    return {
      nowMs: () => beginMs + Math.floor(this.nowMs) + process.skewMs,
      monotonicMs: () => this.nowMs,
      after: (delayMs, fire) => this.after(Math.max(1, Math.trunc(delayMs)), 'timer', process, fire),
    };
  }

  /** Lets a stopped process go on. */
  wake(process: SimProcess): void {
    for (const entry of process.continue()) this.#push({ ...entry, atMs: this.nowMs });
  }

  /** What of this process is still to come. */
  pendingOf(process: SimProcess): string[] {
    return this.#queue
      .filter((entry) => entry.process === process && !entry.cancelled)
      .map(({ what }) => what);
  }

  say(line: string): void {
    const text = `${this.steps} ${Math.floor(this.nowMs)} ${line}`;
    for (let index = 0; index < text.length; index++)
      this.hash = Math.imul(this.hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
    this.#onLine(text);
  }

  /** Does what comes next, and lets everything that follows from it at once happen; false when nothing is left. */
  async step(): Promise<boolean> {
    for (let entry = this.#pop(); entry !== undefined; entry = this.#pop()) {
      const { process } = entry;
      if (entry.cancelled || process?.alive === false) continue;
      this.nowMs = Math.max(this.nowMs, entry.atMs);
      if (process?.stopped) {
        process.hold(entry);
        continue;
      }
      this.steps++;
      this.say(`${process?.name ?? 'world'}: ${entry.what}`);
      await entry.run();
      await allThatFollows();
      return true;
    }
    await allThatFollows();
    return false;
  }

  #push(entry: Entry): void {
    const queue = this.#queue;
    let at = queue.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = queue[parent];
      if (above === undefined || !isBefore(entry, above)) break;
      queue[at] = above;
      at = parent;
    }
    queue[at] = entry;
  }

  #pop(): Entry | undefined {
    const queue = this.#queue;
    const first = queue[0];
    const last = queue.pop();
    if (first === undefined || last === undefined || queue.length === 0) return first;
    let at = 0;
    for (;;) {
      let next = at * 2 + 1;
      let child = queue[next];
      const right = queue[next + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        next++;
        child = right;
      }
      if (child === undefined || !isBefore(child, last)) break;
      queue[at] = child;
      at = next;
    }
    queue[at] = last;
    return first;
  }
}

/** Promises and streams go on before the next turn of the event loop. */
function allThatFollows(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.tie < b.tie);
}
