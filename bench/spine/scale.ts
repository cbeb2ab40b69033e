/** Cost of one command by id, with few and with many jobs stored; beside it the way that loads all and filters. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RegisterWorker } from '../../src/contract/worker.ts';
import { JobCommands } from '../../src/control/job-commands.ts';
import { JobQueries } from '../../src/control/job-queries.ts';
import { Signals } from '../../src/control/signals.ts';
import { WorkerCommands } from '../../src/control/worker-commands.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { type Ids, makeIds, realRandom } from '../../src/platform/random.ts';
import { migrate } from '../../src/store/migrate.ts';
import { loadMigrations } from '../../src/store/migration-files.ts';
import { openSqlite, type SqliteDatabase } from '../../src/store/sqlite/sqlite.ts';
import { median, type Report, timed } from '../lib/report.ts';

const submitsAtOnce = 500;
/** Ids to ask for, spread over all jobs stored. */
const idsKept = 1_000;
const warmUps = 50;
const rounds = 300;
const names = ['first get', 'get', 'claim', 'start', 'complete', 'cancel', 'retry'] as const;
type Name = (typeof names)[number];
type Act = (index: number) => Promise<unknown>;

/** A store on disk with all that commands need, and one worker that claims one job a call. */
class Stored {
  readonly db: SqliteDatabase;
  readonly jobs: JobCommands;
  readonly queries: JobQueries;
  readonly ids: Ids;
  readonly #workers: WorkerCommands;
  readonly #workerId: string;
  #generation = 0;

  constructor(db: SqliteDatabase) {
    const ids = makeIds(realClock, realRandom);
    const deps = { db, clock: realClock, random: realRandom, log: silentLog, ids, signals: new Signals() };
    this.db = db;
    this.ids = ids;
    this.jobs = new JobCommands(deps);
    this.queries = new JobQueries(deps);
    this.#workers = new WorkerCommands({ ...deps, leaseMs: 600_000 });
    this.#workerId = ids();
  }

  async register(): Promise<void> {
    const worker: RegisterWorker = {
      id: this.#workerId,
      name: 'bench',
      version: '0',
      pid: 1,
      slots: 1,
      queues: ['busy'],
      executors: [{ name: 'none', unavailable: null }],
      images: [],
    };
    this.#generation = (await this.#workers.register(worker)).generation;
  }

  async claim(): Promise<{ jobId: string; attempt: number }> {
    const { claimed } = await this.#workers.work(
      this.#workerId,
      this.#work({ want: 1 }),
      new AbortController().signal,
    );
    const [job] = claimed;
    if (job === undefined) throw new Error('nothing to claim');
    return job;
  }

  start(job: { jobId: string; attempt: number }): Promise<unknown> {
    const holder = { workerId: this.#workerId, generation: this.#generation };
    return this.#workers.startAttempt(job.jobId, job.attempt, holder);
  }

  complete({ jobId, attempt }: { jobId: string; attempt: number }): Promise<unknown> {
    const nothing = { signal: null, message: null, vm: null, usage: null };
    const done = [{ jobId, attempt, reason: 'exit' as const, exitCode: 0, ...nothing }];
    return this.#workers.work(this.#workerId, this.#work({ done }), new AbortController().signal);
  }

  #work(part: {
    want?: number;
    done?: [] | Parameters<WorkerCommands['work']>[1]['done'];
  }): Parameters<WorkerCommands['work']>[1] {
    return {
      generation: this.#generation,
      token: this.ids(),
      repeat: false,
      done: [],
      want: 0,
      waitMs: 0,
      ...part,
    };
  }
}

/** Fills a store with `count` jobs: half of them wait in the queue the worker takes from, half have ended. */
async function fill(stored: Stored, count: number): Promise<string[]> {
  const kept: string[] = [];
  // As many different jobs to ask for with few stored as with many, so that neither side reads the same few again.
  const apart = Math.max(1, Math.floor(count / idsKept));
  for (let done = 0; done < count; done += submitsAtOnce) {
    const made = await Promise.all(
      Array.from({ length: Math.min(submitsAtOnce, count - done) }, (_, index) =>
        stored.jobs.submit({
          command: ['true'],
          queue: index % 2 === 0 ? 'busy' : 'ended',
          executor: 'none',
        }),
      ),
    );
    await Promise.all(
      made.filter((job) => job.spec.queue === 'ended').map((job) => stored.jobs.cancel(job.id)),
    );
    kept.push(...made.filter((_, index) => (done + index) % apart === 0).map((job) => job.id));
  }
  return kept;
}

/** The commands in their order, each over jobs of its own; every call is one command on one job. */
async function acts(stored: Stored, known: readonly string[]): Promise<Readonly<Record<Name, Act>>> {
  const own: string[] = [];
  const claimed: { jobId: string; attempt: number }[] = [];
  for (let index = 0; index < warmUps + rounds; index++) {
    own.push((await stored.jobs.submit({ command: ['true'], queue: 'aside', executor: 'none' })).id);
  }
  const at = (index: number): string => own[index] ?? '';
  const held = (index: number): { jobId: string; attempt: number } =>
    claimed[index] ?? { jobId: '', attempt: 0 };
  const get: Act = (index) => stored.queries.get(known[(index * 7_919) % known.length] ?? '');
  return {
    // Of jobs nobody has asked for lately: their pages are read from the file. A thousand jobs are always in memory.
    'first get': get,
    get,
    claim: async () => claimed.push(await stored.claim()),
    start: (index) => stored.start(held(index)),
    complete: (index) => stored.complete(held(index)),
    cancel: (index) => stored.jobs.cancel(at(index)),
    retry: (index) => stored.jobs.retry(at(index)),
  };
}

/** Both in turns, call by call, so that whatever else the machine does meets both alike. */
async function inTurns(few: Act, many: Act): Promise<{ few: number; many: number }> {
  const times = { few: [] as number[], many: [] as number[] };
  for (let index = 0; index < warmUps + rounds; index++) {
    times.few.push(...(await timed(1, () => few(index))));
    times.many.push(...(await timed(1, () => many(index))));
  }
  const micros = (ms: readonly number[]): number => median(ms.slice(warmUps)) * 1_000;
  return { few: micros(times.few), many: micros(times.many) };
}

/** How the earlier system did it: every job is read and decoded to find one. */
async function loadAll(stored: Stored, id: string, rounds: number): Promise<number> {
  const times = await timed(rounds, async () => {
    const rows = await stored.db.query({ sql: 'SELECT jobs.*, spec FROM jobs JOIN job_data USING (seq)' });
    const jobs = rows.map((row) => ({ id: row['id'], spec: JSON.parse(String(row['spec'])) as unknown }));
    const found = jobs.find((job) => job.id === id);
    if (found === undefined) throw new Error('not found');
  });
  return median(times) * 1_000;
}

async function withStored<T>(
  count: number,
  act: (stored: Stored, known: string[]) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-bench-'));
  const db = await openSqlite({ file: join(dir, 'store.db'), clock: realClock, log: silentLog });
  try {
    await migrate(db, await loadMigrations(), realClock.nowMs());
    const stored = new Stored(db);
    const known = await fill(stored, count);
    await stored.register();
    return await act(stored, known);
  } finally {
    await db.close();
    await rm(dir, { recursive: true });
  }
}

export async function benchScale(report: Report, few: number, many: number): Promise<void> {
  await withStored(few, (small, knownFew) =>
    withStored(many, async (large, knownMany) => {
      const ofFew = await acts(small, knownFew);
      const ofMany = await acts(large, knownMany);
      let get = 0;
      for (const name of names) {
        const p50 = await inTurns(ofFew[name], ofMany[name]);
        if (name === 'get') get = p50.many;
        report.add(`${name} by id, ${many} stored (baseline: ${few})`, 'µs p50', p50.many, p50.few);
      }
      const loadFew = await loadAll(small, knownFew.at(-1) ?? '', 5);
      report.add(`load all to find one, ${few} stored (baseline: get)`, 'µs', loadFew, get);
      const loadMany = await loadAll(large, knownMany.at(-1) ?? '', 1);
      report.add(`load all to find one, ${many} stored (baseline: get)`, 'µs', loadMany, get);
    }),
  );
}
