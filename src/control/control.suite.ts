/** A whole control plane in memory with a clock that tests move, and workers that tests play. */
import type { SubmitJob } from '../contract/job.ts';
import type { AttemptDone, ClaimedJob, RegisterWorker, WorkReply, WorkRequest } from '../contract/worker.ts';
import { FakeClock } from '../platform/clock.ts';
import { LazySignal } from '../platform/lazy-signal.ts';
import { silentLog } from '../platform/log.ts';
import { type Ids, makeIds, seededRandom } from '../platform/random.ts';
import { migrate } from '../store/migrate.ts';
import { loadMigrations } from '../store/migration-files.ts';
import { openSqlite, type SqliteDatabase } from '../store/sqlite/sqlite.ts';
import { ForgetCommands, type JobLogs } from './forget-commands.ts';
import { Forgetter } from './forgetter.ts';
import { JobCommands } from './job-commands.ts';
import { JobQueries } from './job-queries.ts';
import { QueueCommands } from './queue-commands.ts';
import { QueueQueries } from './queue-queries.ts';
import { FakeArtifactFiles } from './results/artifact-files.suite.ts';
import { JobFiles } from './results/job-files.ts';
import { Results } from './results/results.ts';
import { Scheduler } from './scheduler.ts';
import { makeSchedules } from './schedules/make-schedules.ts';
import type { ScheduleCommands } from './schedules/schedule-commands.ts';
import type { ScheduleRunner } from './schedules/schedule-runner.ts';
import { Signals } from './signals.ts';
import { Groups } from './together/groups.ts';
import { ParentEnds } from './together/parent-ends.ts';
import { WorkerCommands } from './worker-commands.ts';

export interface Control {
  readonly db: SqliteDatabase;
  readonly clock: FakeClock;
  readonly ids: Ids;
  readonly signals: Signals;
  readonly jobs: JobCommands;
  readonly workers: WorkerCommands;
  readonly queries: JobQueries;
  readonly queues: QueueCommands;
  readonly queueQueries: QueueQueries;
  readonly groups: Groups;
  /** Nothing calls it but the test. */
  readonly parentEnds: ParentEnds;
  /** Remembers which logs were to be removed. */
  readonly logs: FakeLogs;
  readonly artifacts: FakeArtifactFiles;
  readonly results: Results;
  readonly forget: ForgetCommands;
  readonly forgetter: Forgetter;
  readonly scheduler: Scheduler;
  readonly schedules: ScheduleCommands;
  /** Not started. */
  readonly scheduleRunner: ScheduleRunner;
  close(): Promise<void>;
}

/** Logs that are no files. */
export class FakeLogs implements JobLogs {
  readonly removed: string[] = [];

  async remove(jobId: string): Promise<void> {
    this.removed.push(jobId);
  }
}

/** Opens one, on a file if told so; `close` it. Scheduler and forgetter are not started. */
export async function openControl(seed = 1, file = ':memory:'): Promise<Control> {
  const clock = new FakeClock();
  const random = seededRandom(seed);
  const ids = makeIds(clock, random);
  const db = await openSqlite({ file, clock, log: silentLog });
  await migrate(db, await loadMigrations(), clock.nowMs());
  const signals = new Signals();
  const deps = { db, clock, ids, random, signals, log: silentLog };
  const scheduler = new Scheduler(deps);
  const logs = new FakeLogs();
  const artifacts = new FakeArtifactFiles();
  const forget = new ForgetCommands({ ...deps, logs: new JobFiles([logs, artifacts]) });
  const forgetter = new Forgetter({ ...deps, forget });
  const jobs = new JobCommands({ ...deps, forget });
  const workers = new WorkerCommands(deps);
  const { schedules, runner } = makeSchedules({ ...deps, jobs });
  return {
    db,
    clock,
    ids,
    signals,
    jobs,
    workers,
    queries: new JobQueries(deps),
    queues: new QueueCommands(deps),
    queueQueries: new QueueQueries(deps),
    groups: new Groups(deps),
    parentEnds: new ParentEnds(deps),
    logs,
    artifacts,
    results: new Results({ ...deps, workers, files: artifacts }),
    forget,
    forgetter,
    scheduler,
    schedules,
    scheduleRunner: runner,
    close: async () => {
      await runner.stop();
      await scheduler.stop();
      await forgetter.stop();
      await db.close();
    },
  };
}

/** Lets every commit, and everything that waits for one, go on; no time passes on the fake clock. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export const trueJob: SubmitJob = { command: ['true'] };

/** Plays a worker against the commands. */
export class TestWorker {
  readonly id: string;
  readonly #control: Control;
  generation = 0;

  constructor(control: Control) {
    this.#control = control;
    this.id = control.ids();
  }

  /** One that has registered. */
  static async join(control: Control, body: Partial<RegisterWorker> = {}): Promise<TestWorker> {
    const worker = new TestWorker(control);
    await worker.register(body);
    return worker;
  }

  async register(body: Partial<RegisterWorker> = {}) {
    const registered = await this.#control.workers.register({
      id: this.id,
      name: 'host',
      version: '0.1.0',
      pid: 1,
      slots: 4,
      queues: ['default'],
      executors: [{ name: 'microvm', unavailable: null }],
      images: [],
      ...body,
    });
    this.generation = registered.generation;
    return registered;
  }

  get holder() {
    return { workerId: this.id, generation: this.generation };
  }

  work(body: Partial<WorkRequest> = {}, gone = new LazySignal()): Promise<WorkReply> {
    const { generation } = this;
    return this.#control.workers.work(
      this.id,
      { generation, token: this.#control.ids(), repeat: false, done: [], want: 1, waitMs: 0, ...body },
      gone,
    );
  }

  async claim(want = 1): Promise<readonly ClaimedJob[]> {
    return (await this.work({ want })).claimed;
  }

  start({ jobId, attempt }: { jobId: string; attempt: number }) {
    return this.#control.workers.startAttempt(jobId, attempt, this.holder);
  }

  /** Claims the next job and starts it. */
  async run(): Promise<ClaimedJob> {
    const [claimed] = await this.claim();
    if (claimed === undefined) throw new Error('there was nothing to claim');
    await this.start(claimed);
    return claimed;
  }
}

/** The report of an attempt's end; exit 0 unless told otherwise. */
export function endOf(
  claimed: { jobId: string; attempt: number },
  end: Partial<AttemptDone> = {},
): AttemptDone {
  return {
    jobId: claimed.jobId,
    attempt: claimed.attempt,
    reason: 'exit',
    exitCode: 0,
    signal: null,
    message: null,
    vm: null,
    usage: null,
    ...end,
  };
}
