/** A store on disk with the commands of a control node over it, and one worker that the bench plays. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SubmitJob } from '../../src/contract/job.ts';
import type { AttemptRef, RegisterWorker, WorkReply } from '../../src/contract/worker.ts';
import { JobCommands } from '../../src/control/job-commands.ts';
import { JobQueries } from '../../src/control/job-queries.ts';
import { Signals } from '../../src/control/signals.ts';
import { WorkerCommands } from '../../src/control/worker-commands.ts';
import { realClock } from '../../src/platform/clock.ts';
import { LazySignal } from '../../src/platform/lazy-signal.ts';
import { silentLog } from '../../src/platform/log.ts';
import { type Ids, makeIds, realRandom } from '../../src/platform/random.ts';
import type { Database } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { loadMigrations } from '../../src/store/migration-files.ts';
import { openSqlite, type SqliteDatabase } from '../../src/store/sqlite/sqlite.ts';

/** A job that does nothing, for the executor the worker offers. */
export const emptyJob: SubmitJob = { command: ['true'], executor: 'none' };

/** What one call of the worker says and asks; nothing unless told otherwise. */
interface Work {
  readonly done?: readonly AttemptRef[];
  readonly want?: number;
}

export class Stored {
  readonly db: SqliteDatabase;
  readonly jobs: JobCommands;
  readonly queries: JobQueries;
  readonly ids: Ids;
  readonly #workers: WorkerCommands;
  readonly #workerId: string;
  #generation = 0;

  /** `through` stands between the commands and the store. */
  constructor(db: SqliteDatabase, through: Database = db) {
    const ids = makeIds(realClock, realRandom);
    const deps = {
      ...{ db: through, clock: realClock, random: realRandom, log: silentLog, ids },
      signals: new Signals(),
    };
    this.db = db;
    this.ids = ids;
    this.jobs = new JobCommands(deps);
    this.queries = new JobQueries(deps);
    this.#workers = new WorkerCommands({ ...deps, leaseMs: 600_000 });
    this.#workerId = ids();
  }

  /** The worker joins and serves these queues. */
  async register(queues: readonly string[]): Promise<void> {
    const worker: RegisterWorker = {
      ...{ id: this.#workerId, name: 'bench', version: '0', pid: 1, slots: 1, queues: [...queues] },
      executors: [{ name: 'none', unavailable: null }],
      images: [],
    };
    this.#generation = (await this.#workers.register(worker)).generation;
  }

  /** One call of the worker; what it reports has ended with exit code 0. */
  work({ done = [], want = 0 }: Work): Promise<WorkReply> {
    const nothing = { signal: null, message: null, vm: null, usage: null };
    const startedAtMs = realClock.nowMs();
    const body = {
      ...{ generation: this.#generation, token: this.ids(), repeat: false, want, waitMs: 0 },
      done: done.map(({ jobId, attempt }) => ({
        ...{ jobId, attempt, startedAtMs, reason: 'exit' as const, exitCode: 0 },
        ...nothing,
      })),
    };
    return this.#workers.work(this.#workerId, body, new LazySignal());
  }

  start({ jobId, attempt }: AttemptRef): Promise<unknown> {
    const holder = { workerId: this.#workerId, generation: this.#generation };
    return this.#workers.startAttempt(jobId, attempt, holder);
  }
}

/** Opens an empty store in a folder of its own, and removes it after `act`. */
export async function withStored<T>(act: (stored: Stored) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-bench-'));
  const db = await openSqlite({ file: join(dir, 'store.db'), clock: realClock, log: silentLog });
  try {
    await migrate(db, await loadMigrations(), realClock.nowMs());
    return await act(new Stored(db));
  } finally {
    await db.close();
    await rm(dir, { recursive: true });
  }
}

/** Does `act` `count` times, `inFlight` at once. */
export async function inFlight(
  count: number,
  atOnce: number,
  act: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, client));
}
