/** A control node: the store and all that speaks for it, listening on an address. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { EventFeed } from '../control/events/event-feed.ts';
import { ForgetCommands } from '../control/forget-commands.ts';
import { Forgetter } from '../control/forgetter.ts';
import { buildApp } from '../control/http/app.ts';
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
import type { WebhookTargets } from '../control/webhooks/targets.ts';
import { Webhooks } from '../control/webhooks/webhooks.ts';
import { WorkerCommands } from '../control/worker-commands.ts';
import { BlixardError, problemOf } from '../domain/errors.ts';
import { migrate } from '../store/migrate.ts';
import { loadMigrations } from '../store/migration-files.ts';
import { openSqlite, type SqliteDatabase, type SqliteStats } from '../store/sqlite/sqlite.ts';
import type { Config } from './config-keys.ts';
import type { NodeDeps } from './node-deps.ts';
import { artifactDirIn, logDirIn, storeFileIn } from './paths.ts';
import { Teardown } from './teardown.ts';

/** A control node that listens. */
export interface ControlNode {
  /** Where it listens, for example http://127.0.0.1:3020. */
  readonly url: string;
  readonly app: FastifyInstance;
  /** What the store has done since it was opened. */
  storeStats(): SqliteStats;
  /** Ends open calls, then closes the store. */
  stop(): Promise<void>;
}

/** Rejects with STORE_LOCKED, STORE_TOO_NEW, …, LISTEN_FAILED; then nothing of it is left running. */
export async function startControlNode(deps: NodeDeps): Promise<ControlNode> {
  const teardown = new Teardown();
  return await teardown.guard(async () => {
    const { app, db } = await openControl(deps, teardown);
    const url = await listen(app, deps.config.host, deps.config.port);
    deps.log.info({ url, dataDir: deps.config.dataDir }, 'control node listens');
    return { url, app, storeStats: () => db.stats(), stop: () => teardown.run() };
  });
}

interface Opened {
  readonly app: FastifyInstance;
  readonly db: SqliteDatabase;
}

async function openControl(node: NodeDeps, teardown: Teardown): Promise<Opened> {
  const { config, clock, log, random, ids, version } = node;
  const db = await openSqlite({ file: storeFileIn(config.dataDir), clock, log });
  teardown.add(() => db.close());
  await migrate(db, await loadMigrations(), clock.nowMs());
  const logs = new LogStore({ dir: logDirIn(config.dataDir), keepBytes: config.logKeepMiB * 1_024 ** 2 });
  teardown.add(() => logs.close());
  const artifacts = new ArtifactFiles({ dir: artifactDirIn(config.dataDir) });
  teardown.add(() => artifacts.close());
  const signals = new Signals();
  const shared = { db: tellingStore(db, { signals, clock }), clock, random, ids, log, signals };
  const { leaseMs, heartbeatMs, retainEventsMs } = config;
  const forget = new ForgetCommands({ ...shared, retainEventsMs, logs: new JobFiles([logs, artifacts]) });
  const jobs = new JobCommands({ ...shared, forget });
  const workers = new WorkerCommands({ ...shared, leaseMs, heartbeatMs });
  const results = new Results({ ...shared, workers, files: artifacts });
  const vms = new VmBoard({ signals, clock, workers: () => queries.workers() });
  const queries = new JobQueries({ ...shared, vms });
  const scheduler = new Scheduler({ ...shared, leaseMs });
  scheduler.start();
  teardown.add(() => scheduler.stop());
  const queues = new QueueCommands(shared);
  await queues.finishLines();
  const queueQueries = new QueueQueries(shared);
  const forgetter = new Forgetter({ ...shared, forget });
  forgetter.start();
  teardown.add(() => forgetter.stop());
  const watch = new ParentWatch({ ...shared, parentEnds: new ParentEnds(shared) });
  watch.start();
  teardown.add(() => watch.stop());
  const { schedules, runner } = makeSchedules({ ...shared, jobs });
  runner.start();
  teardown.add(() => runner.stop());
  const events = new EventFeed({ db, commits: db, log });
  const sender = new WebhookSender({ clock, version, targets: webhookTargetsOf(config) });
  const webhooks = new Webhooks({ ...shared, events, sender });
  webhooks.start();
  teardown.add(() => webhooks.stop());
  const app = await buildApp({
    jobs,
    schedules,
    workers,
    queries,
    queues,
    queueQueries,
    groups: new Groups(shared),
    forget,
    logs,
    results,
    artifacts,
    events,
    webhooks,
    vms,
    signals,
    clock,
    log,
    version,
  });
  teardown.add(() => app.close());
  return { app, db };
}

/** Who may change webhooks where only this machine can reach the server can reach this machine anyhow. */
function webhookTargetsOf({ webhookTargets, host }: Config): WebhookTargets {
  if (webhookTargets !== 'auto') return webhookTargets;
  return /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host) ? 'private' : 'public';
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === 'EADDRINUSE' ? 'the address is in use' : problemOf(error);
    throw new BlixardError('LISTEN_FAILED', { host, port, problem }, { cause: error });
  }
  const { port: bound } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
}
