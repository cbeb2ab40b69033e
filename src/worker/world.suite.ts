/** A whole system in one process for tests: a real control plane in memory, a lossy wire, workers with fakes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { BlixardClient } from '../client/client.ts';
import type { Transport, WireRequest, WireResponse } from '../client/transport.ts';
import type { Job, SubmitJob } from '../contract/job.ts';
import { EventFeed } from '../control/events/event-feed.ts';
import { ForgetCommands } from '../control/forget-commands.ts';
import { buildApp } from '../control/http/app.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { JobCommands } from '../control/job-commands.ts';
import { JobQueries } from '../control/job-queries.ts';
import { LogStore } from '../control/logs/log-store.ts';
import { QueueCommands } from '../control/queue-commands.ts';
import { QueueQueries } from '../control/queue-queries.ts';
import { ArtifactFiles } from '../control/results/artifact-files.ts';
import { JobFiles } from '../control/results/job-files.ts';
import { Results } from '../control/results/results.ts';
import { Scheduler } from '../control/scheduler.ts';
import { makeSchedules } from '../control/schedules/make-schedules.ts';
import { Signals } from '../control/signals.ts';
import { tellingStore } from '../control/telling-store.ts';
import { Groups } from '../control/together/groups.ts';
import { ParentEnds } from '../control/together/parent-ends.ts';
import { ParentWatch } from '../control/together/parent-watch.ts';
import { VmBoard } from '../control/vm-board.ts';
import { WebhookSender } from '../control/webhooks/sender.ts';
import { Webhooks } from '../control/webhooks/webhooks.ts';
import { WorkerCommands } from '../control/worker-commands.ts';
import { BlixardError } from '../domain/errors.ts';
import { FakeExecutor } from '../executor/fake/fake-executor.ts';
import { ExecutorRegistry } from '../executor/registry.ts';
import { realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { makeIds, realRandom } from '../platform/random.ts';
import type { Database } from '../store/database.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { migrate } from '../store/migrate.ts';
import { loadMigrations } from '../store/migration-files.ts';
import { openSqlite, type SqliteDatabase } from '../store/sqlite/sqlite.ts';
import { VmService } from '../vm/vm-service.ts';
import { takeIdentity } from './identity.ts';
import type { ImageList } from './image-teller.ts';
import { Worker } from './worker.ts';

export const heartbeatMs = 100;
export const leaseMs = 1_200;
export const testIds = makeIds(realClock, realRandom);
export const baseDeps = { clock: realClock, random: realRandom, log: silentLog, ids: testIds };
export const oneImage = { list: async () => [{ name: 'base', tag: 'latest', digest: 'sha256:1' }] };

/** What a wire does to a request; the default passes it on. */
export type Fate = (request: WireRequest, pass: () => Promise<WireResponse>) => Promise<WireResponse>;

/** A wire between a worker and the server whose fate a test decides, and may change. */
export class TestWire implements Transport {
  readonly url = 'test wire';
  readonly seen: string[] = [];
  readonly #inner: Transport;
  fate: Fate = (_request, pass) => pass();

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  send(request: WireRequest): Promise<WireResponse> {
    this.seen.push(`${request.method} ${request.path.split('?')[0]}`);
    return this.fate(request, () => this.#inner.send(request));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

export const unreachable = (): BlixardError =>
  new BlixardError('SERVER_UNREACHABLE', { url: 'test wire', problem: 'cut' });

/** The request is served, its answer is lost. */
export const loseAnswer: Fate = async (_request, pass) => {
  (await pass()).body.destroy();
  throw unreachable();
};

export interface TestWorker {
  readonly worker: Worker;
  readonly executor: FakeExecutor;
  readonly wire: TestWire;
  readonly dataDir: string;
}

interface WorkerOptions {
  slots?: number;
  dataDir?: string;
  executor?: FakeExecutor;
  images?: ImageList;
}

export class World {
  readonly dir: string;
  readonly db: SqliteDatabase;
  readonly app: FastifyInstance;
  readonly client: BlixardClient;
  readonly workers: Worker[] = [];
  readonly #scheduler: Scheduler;
  readonly #watch: ParentWatch;
  readonly #files: readonly { close(): Promise<void> }[];

  private constructor(parts: {
    dir: string;
    db: SqliteDatabase;
    app: FastifyInstance;
    scheduler: Scheduler;
    watch: ParentWatch;
    files: readonly { close(): Promise<void> }[];
  }) {
    this.dir = parts.dir;
    this.db = parts.db;
    this.app = parts.app;
    this.#scheduler = parts.scheduler;
    this.#watch = parts.watch;
    this.#files = parts.files;
    this.client = new BlixardClient({ transport: appTransport(parts.app) });
  }

  /** The server reaches its store through `through`, by default itself. */
  static async open(through: (db: Database) => Database = (db) => db): Promise<World> {
    const dir = await mkdtemp(join(tmpdir(), 'blixard-world-'));
    const db = await openSqlite({ file: ':memory:', clock: realClock, log: silentLog });
    await migrate(db, await loadMigrations(), realClock.nowMs());
    const signals = new Signals();
    const store = tellingStore(through(db), { signals, clock: realClock });
    const deps = { ...baseDeps, db: store, signals, leaseMs, heartbeatMs };
    const logs = new LogStore({ dir: join(dir, 'logs'), keepBytes: 64 * 1024 * 1024 });
    const events = new EventFeed({ ...deps, commits: db });
    const sender = new WebhookSender({ ...deps, targets: 'private', version: '0' });
    const artifacts = new ArtifactFiles({ dir: join(dir, 'artifacts') });
    const workers = new WorkerCommands(deps);
    const forget = new ForgetCommands({ ...deps, logs: new JobFiles([logs, artifacts]) });
    const jobs = new JobCommands({ ...deps, forget });
    const vms = new VmBoard({ ...deps, workers: () => queries.workers() });
    const queries = new JobQueries({ ...deps, vms });
    const app = await buildApp({
      ...deps,
      logs,
      results: new Results({ ...deps, workers, files: artifacts }),
      artifacts,
      events,
      webhooks: new Webhooks({ ...deps, events, sender }),
      jobs,
      schedules: makeSchedules({ ...deps, jobs }).schedules,
      workers,
      queries,
      vms,
      queues: new QueueCommands(deps),
      queueQueries: new QueueQueries(deps),
      groups: new Groups(deps),
      forget,
      version: '0',
    });
    const scheduler = new Scheduler(deps);
    scheduler.start();
    const watch = new ParentWatch({ ...deps, parentEnds: new ParentEnds(deps) });
    watch.start();
    return new World({ dir, db, app, scheduler, watch, files: [logs, artifacts] });
  }

  /** A worker with a fake executor named `microvm`, so that jobs need not name another; not started yet. */
  async makeWorker(options: WorkerOptions & { onEnd?: () => Promise<void> } = {}): Promise<TestWorker> {
    const dataDir = options.dataDir ?? join(this.dir, testIds());
    const executor = options.executor ?? new FakeExecutor({ clock: realClock, name: 'microvm' });
    const wire = new TestWire(appTransport(this.app));
    const worker = new Worker({
      ...baseDeps,
      client: new BlixardClient({ transport: wire }),
      executors: new ExecutorRegistry([executor]),
      images: options.images ?? oneImage,
      vms: VmService.unavailable('fakes need none'),
      identity: await takeIdentity({ dataDir, ids: testIds }),
      config: { name: 'test', version: '0', slots: options.slots ?? 4, queues: ['default'] },
      ...(options.onEnd === undefined ? {} : { onEnd: options.onEnd }),
    });
    this.workers.push(worker);
    return { worker, executor, wire, dataDir };
  }

  async startWorker(options: WorkerOptions = {}): Promise<TestWorker> {
    const made = await this.makeWorker(options);
    await made.worker.start();
    return made;
  }

  submit(command: string[], more: Partial<SubmitJob> = {}): Promise<Job> {
    return this.client.call('submitJob', { body: { command, ...more } });
  }

  get(id: string): Promise<Job> {
    return this.client.call('getJob', { params: { id } });
  }

  ended(id: string): Promise<Job> {
    return this.client.call('getJob', { params: { id }, query: { waitMs: 20_000 } });
  }

  /** The newest attempt's output, whole. */
  async output(id: string, stream: 'stdout' | 'stderr' = 'stdout'): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let offset = 0; ; ) {
      const range = await this.client.readLogs(id, { stream, offset });
      parts.push(...range.records.map(({ data }) => data));
      if (range.records.length === 0) return Buffer.concat(parts);
      offset = range.nextOffset;
    }
  }

  /** Kills all workers, and holds the store to its invariants. */
  async close(): Promise<string[]> {
    await Promise.all(this.workers.map((worker) => worker.kill()));
    await this.#scheduler.stop();
    await this.#watch.stop();
    await this.app.close();
    for (const files of this.#files) await files.close();
    const broken = await checkInvariants(this.db);
    await this.db.close();
    await rm(this.dir, { recursive: true, force: true });
    return broken;
  }
}

/** Waits until `condition` holds; the test's own time limit ends it. */
export async function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
