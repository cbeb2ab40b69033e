/**
 * A control node for tests: the real parts on an in-memory store, with a worker's side of the talk at hand.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { BlixardClient } from '../../client/client.ts';
import { encodeLogRecord, type LogRecord } from '../../contract/log.ts';
import type { AttemptDone, ClaimedJob } from '../../contract/worker.ts';
import { defaults } from '../../domain/defaults.ts';
import { type Clock, realClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { type Ids, makeIds, realRandom } from '../../platform/random.ts';
import type { Database } from '../../store/database.ts';
import { migrate } from '../../store/migrate.ts';
import { loadMigrations } from '../../store/migration-files.ts';
import { openSqlite } from '../../store/sqlite/sqlite.ts';
import { EventFeed } from '../events/event-feed.ts';
import { ForgetCommands } from '../forget-commands.ts';
import { JobCommands } from '../job-commands.ts';
import { JobQueries } from '../job-queries.ts';
import { LogStore } from '../logs/log-store.ts';
import { QueueCommands } from '../queue-commands.ts';
import { QueueQueries } from '../queue-queries.ts';
import { ArtifactFiles } from '../results/artifact-files.ts';
import { JobFiles } from '../results/job-files.ts';
import { Results } from '../results/results.ts';
import { makeSchedules } from '../schedules/make-schedules.ts';
import { Signals } from '../signals.ts';
import { Groups } from '../together/groups.ts';
import { ParentEnds } from '../together/parent-ends.ts';
import { ParentWatch } from '../together/parent-watch.ts';
import { VmBoard } from '../vm-board.ts';
import { WebhookSender } from '../webhooks/sender.ts';
import { Webhooks } from '../webhooks/webhooks.ts';
import { WorkerCommands } from '../worker-commands.ts';
import { buildApp } from './app.ts';
import type { AppDeps } from './handlers/handler.ts';

/** A listening control node. */
export interface TestSystem {
  readonly app: FastifyInstance;
  /** Of the listening socket. */
  readonly url: string;
  readonly deps: AppDeps;
  readonly db: Database;
  readonly ids: Ids;
  /** Holds `logs` and `artifacts`. */
  readonly dir: string;
  close(): Promise<void>;
}

/** Starts one on a free port; its logs keep `keepBytes`. */
export async function startTestSystem(
  options: { keepBytes?: number; clock?: Clock; file?: string } = {},
): Promise<TestSystem> {
  const clock = options.clock ?? realClock;
  const dir = await mkdtemp(join(tmpdir(), 'blixard-http-'));
  const db = await openSqlite({ file: options.file ?? ':memory:', clock, log: silentLog });
  await migrate(db, await loadMigrations(), clock.nowMs());
  const ids = makeIds(realClock, realRandom);
  const signals = new Signals();
  const shared = { db, clock, ids, random: realRandom, log: silentLog, signals };
  const logs = new LogStore({ dir: join(dir, 'logs'), keepBytes: options.keepBytes ?? defaults.logBytes });
  const artifacts = new ArtifactFiles({ dir: join(dir, 'artifacts') });
  const workers = new WorkerCommands(shared);
  const forget = new ForgetCommands({ ...shared, logs: new JobFiles([logs, artifacts]) });
  const jobs = new JobCommands({ ...shared, forget });
  const events = new EventFeed({ db, commits: db, log: silentLog });
  const sender = new WebhookSender({ clock, targets: 'private', version: '0.0.0-test' });
  const webhooks = new Webhooks({ ...shared, events, sender });
  webhooks.start();
  const watch = new ParentWatch({ ...shared, parentEnds: new ParentEnds(shared) });
  watch.start();
  const vms = new VmBoard({ ...shared, workers: () => queries.workers() });
  const queries = new JobQueries({ ...shared, vms });
  const deps: AppDeps = {
    jobs,
    schedules: makeSchedules({ ...shared, jobs }).schedules,
    workers,
    queries,
    vms,
    queues: new QueueCommands(shared),
    queueQueries: new QueueQueries(shared),
    groups: new Groups(shared),
    forget,
    logs,
    results: new Results({ ...shared, workers, files: artifacts }),
    artifacts,
    events,
    webhooks,
    signals,
    clock,
    log: silentLog,
    version: '0.0.0-test',
  };
  const app = await buildApp(deps);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    app,
    url: `http://127.0.0.1:${port}`,
    deps,
    db,
    ids,
    dir,
    close: async () => {
      await app.close();
      await watch.stop();
      await webhooks.stop();
      await logs.close();
      await artifacts.close();
      await db.close();
      await rm(dir, { recursive: true });
    },
  };
}

/** A worker as the server sees it, played by hand. */
export class TestWorker {
  readonly #client: BlixardClient;
  readonly #ids: Ids;
  readonly id: string;
  generation = 0;

  constructor(client: BlixardClient, ids: Ids) {
    this.#client = client;
    this.#ids = ids;
    this.id = ids();
  }

  async register(): Promise<void> {
    const { generation } = await this.#client.call('registerWorker', {
      body: {
        id: this.id,
        name: 'test',
        version: '0',
        pid: 1,
        slots: 100,
        queues: ['default'],
        executors: [{ name: 'microvm', unavailable: null }],
        images: [{ name: 'base:latest', digest: `sha256:${'0'.repeat(64)}` }],
      },
    });
    this.generation = generation;
  }

  work(done: readonly AttemptDone[], want: number, waitMs = 0, signal?: AbortSignal) {
    return this.#client.call('work', {
      params: { id: this.id },
      body: { generation: this.generation, token: this.#ids(), repeat: false, done: [...done], want, waitMs },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Claims one job and tells that it has started. */
  async start(): Promise<ClaimedJob> {
    const [claimed] = (await this.work([], 1, 5_000)).claimed;
    if (claimed === undefined) throw new Error('nothing to claim');
    await this.#client.call('startAttempt', {
      params: { id: claimed.jobId, attempt: claimed.attempt },
      body: { workerId: this.id, generation: this.generation },
    });
    return claimed;
  }

  /** Uploads records and gives the new end. */
  async write(job: ClaimedJob, offset: number, records: readonly LogRecord[]): Promise<number> {
    const { endOffset } = await this.#client.call('appendLogs', {
      params: { id: job.jobId, attempt: job.attempt },
      query: { workerId: this.id, generation: this.generation, offset },
      body: Buffer.concat(records.map(encodeLogRecord)),
    });
    return endOffset;
  }

  async end(job: ClaimedJob, exitCode: number, message: string | null = null): Promise<void> {
    const { jobId, attempt } = job;
    const done = { reason: 'exit', exitCode, signal: null, message, vm: null, usage: null } as const;
    await this.work([{ jobId, attempt, ...done }], 0);
  }
}

/** A log record of some text. */
export function textRecord(text: string, stream: 'stdout' | 'stderr' = 'stdout'): LogRecord {
  return { stream, atMs: 1_700_000_000_000, data: Buffer.from(text) };
}
