/** Commits groups in a thread of their own, so that this one goes on while SQLite works and the disk syncs. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Log } from '../../platform/log.ts';
import { errorOf, GroupWriter, outcomesOf, type ThreadSays } from './commit-messages.ts';
import type { Committer } from './committer.ts';
import type { Batch, Outcome } from './transactions.ts';

const commitThread = new URL('./commit-thread.js', import.meta.url);

interface Asked {
  readonly resolve: (said: ThreadSays) => void;
  readonly reject: (error: BlixardError) => void;
}

export class ThreadedCommitter implements Committer {
  readonly #thread: Worker;
  readonly #log: Log;
  readonly #writer = new GroupWriter(limits.preparedStatements);
  /** One question at a time. */
  #asked: Asked | undefined;
  #gone: BlixardError | undefined;
  #lastTookMs = 0;

  private constructor(thread: Worker, log: Log) {
    this.#thread = thread;
    this.#log = log;
    thread.on('message', (said: ThreadSays) => this.#hear(said));
    thread.on('error', (error) => this.#lost(problemOf(error)));
    thread.on('exit', () => this.#lost('the thread that writes has ended'));
  }

  /** Opens the file in a new thread, which runs `script`. Throws STORE_UNAVAILABLE where that is refused. */
  static async open(file: string, log: Log, script = commitThread): Promise<ThreadedCommitter> {
    const thread = new Worker(script, { workerData: { file } });
    const committer = new ThreadedCommitter(thread, log);
    await committer.#ask(() => undefined);
    return committer;
  }

  /** Why it commits no more; undefined while it does. */
  get gone(): BlixardError | undefined {
    return this.#gone;
  }

  /** How long SQLite and the disk took for the last group, ms. */
  get lastTookMs(): number {
    return this.#lastTookMs;
  }

  async commit(group: readonly Batch[]): Promise<readonly Outcome[]> {
    const said = await this.#ask(() => this.#thread.postMessage(this.#writer.write(group)));
    if (said.says === 'committed') {
      this.#lastTookMs = said.tookMs;
      return outcomesOf(said.outcomes);
    }
    throw new BlixardError('INTERNAL', { problem: `the thread that writes said ${said.says} to a group` });
  }

  /** Closes the file and ends the thread. */
  async close(): Promise<void> {
    if (this.#gone !== undefined) return;
    const ended = once(this.#thread, 'exit');
    await this.#ask(() => this.#thread.postMessage('close'));
    this.#thread.ref();
    await ended;
  }

  #ask(question: () => void): Promise<ThreadSays> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) return reject(this.#gone);
      this.#asked = { resolve, reject };
      // Nothing but a question keeps the process.
      this.#thread.ref();
      question();
    });
  }

  #hear(said: ThreadSays): void {
    if (said.says === 'note') {
      this.#log[said.level]({ problem: said.problem }, said.text);
      return;
    }
    const asked = this.#asked;
    this.#asked = undefined;
    this.#thread.unref();
    if (said.says === 'failed') asked?.reject(errorOf(said.error));
    else asked?.resolve(said);
  }

  /** Its statements may have been committed: nobody knows. */
  #lost(problem: string): void {
    this.#gone ??= new BlixardError('STORE_UNAVAILABLE', { problem });
    this.#asked?.reject(this.#gone);
    this.#asked = undefined;
  }
}
