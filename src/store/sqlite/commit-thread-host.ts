/**
 * Keeps the thread that commits: begun under heavy load, ended when that is over, because it costs megabytes that an
 * idle node is not to hold.
 */
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { FromThread, ThreadData, ToThread } from './commit-thread-messages.ts';
import { HeavyLoad, type Load } from './heavy-load.ts';
import type { Batch } from './transactions.ts';

/**
 * Instead of those of this process: a loader of an application's sources would hold up the thread's begin. The first
 * versions of Node.js 24 call their SQLite an experiment.
 */
const execArgv = ['--disable-warning=ExperimentalWarning'];

/** It ends after so long without heavy load. */
const idleMs = 10_000;

/** What it says of a group; undefined when it ended instead. */
type GroupReply = Exclude<FromThread, { kind: 'ready' }> | undefined;

/** Where its program is, compiled, and for which store. */
export interface CommitThreadDeps {
  readonly program: URL;
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: by how long transactions take. */
  readonly load?: Load;
}

export class CommitThreadHost {
  readonly #deps: CommitThreadDeps;
  readonly #unsettled = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #load: Load;
  #worker: Worker | undefined;
  #gone: Promise<void> = Promise.resolve();
  #isReady = false;
  /** It was told to end, maybe before it was ready. */
  #isEnding = false;
  /** Of the groups it has been given, in their order; bounded by who gives them. */
  readonly #onReply: ((reply: GroupReply) => void)[] = [];
  #idle: Timer | undefined;
  #isUsable = true;

  constructor(deps: CommitThreadDeps) {
    this.#deps = deps;
    this.#load = deps.load ?? new HeavyLoad();
  }

  /** Whether the next group is for it. */
  get isWanted(): boolean {
    return this.#isReady && this.#isHeavy;
  }

  /** Whether something may be committed that is not on disk yet. */
  get isUnsettled(): boolean {
    return Atomics.load(this.#unsettled, 0) !== 0;
  }

  /** A group took this long to commit, there or elsewhere. */
  ran(tookMs: number): void {
    this.#load.ran(tookMs, this.#deps.clock.monotonicMs());
    if (this.#worker === undefined && this.#isUsable && this.#isHeavy) this.#begin();
  }

  /** Has it commit this group, after those it was given before; who flushes it says `settled` then. */
  commit(group: readonly Batch[]): Promise<GroupReply> {
    return new Promise((resolve) => {
      // Only while it works does it keep the process alive.
      this.#worker?.ref();
      this.#onReply.push(resolve);
      this.#tell({ group });
    });
  }

  /** A group it has committed is on disk, or nobody knows. */
  settled(): void {
    Atomics.sub(this.#unsettled, 0, 1);
  }

  /** Ends it, once it has nothing under way. */
  async close(): Promise<void> {
    this.#isUsable = false;
    this.#end();
    await this.#gone;
  }

  get #isHeavy(): boolean {
    return this.#load.isHeavy(this.#deps.clock.monotonicMs());
  }

  #begin(): void {
    const { program, file, log } = this.#deps;
    const workerData: ThreadData = { file, unsettled: this.#unsettled.buffer };
    const worker = new Worker(program, { workerData, execArgv });
    worker.unref();
    worker.on('message', (message: FromThread) => this.#heard(message));
    worker.on('error', (error) => {
      this.#isUsable = false;
      log.error({ err: error }, 'the thread that commits has failed; all is committed by the main one');
    });
    this.#worker = worker;
    this.#gone = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#forget();
        for (const onReply of this.#onReply.splice(0)) onReply(undefined);
        resolve();
      });
    });
    this.#watchIdle();
  }

  #heard(message: FromThread): void {
    if (message.kind === 'ready') this.#isReady = !this.#isEnding;
    else this.#onReply.shift()?.(message);
    if (this.#onReply.length === 0 && !this.#isEnding) this.#worker?.unref();
  }

  #watchIdle(): void {
    this.#idle = this.#deps.clock.after(idleMs, () => {
      if (this.#isHeavy || this.#onReply.length > 0) this.#watchIdle();
      else this.#end();
    });
  }

  #end(): void {
    this.#isEnding = true;
    this.#isReady = false;
    this.#idle?.cancel();
    // Until it is gone it is to be waited for.
    this.#worker?.ref();
    this.#tell('end');
  }

  #tell(message: ToThread): void {
    this.#worker?.postMessage(message);
  }

  #forget(): void {
    this.#worker = undefined;
    this.#isEnding = false;
    this.#isReady = false;
    this.#idle?.cancel();
  }
}
