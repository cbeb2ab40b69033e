/** One run: a control node, workers and users in a bad world, decided by one seed from first to last. */
import { problemOf } from '../../src/domain/errors.ts';
import { seededRandom } from '../../src/platform/random.ts';
import type { Statement } from '../../src/store/database.ts';
import { checkInvariants } from '../../src/store/invariants.suite.ts';
import type { SqliteDatabase } from '../../src/store/sqlite/sqlite.ts';
import { endedAttempts } from '../../src/store/verify/rules.ts';
import { Chance } from './chance.ts';
import { queues } from './jobs.ts';
import { judge } from './judge.ts';
import { MemoryLogs } from './memory-logs.ts';
import { Network, slowMs } from './network.ts';
import { calm, isCalm, type Profile, profileOf } from './profile.ts';
import { SimServer } from './server.ts';
import { SimStore } from './store.ts';
import { SimProcess, SimTime } from './time.ts';
import { Users } from './users.ts';
import { WallClocks } from './wall-clocks.ts';
import { Truth, WorkerHost } from './worker-host.ts';

/** How long users and faults go on, and then how long the system has to bring everything to its end. */
const badMs = 15_000;
const calmMs = 30 * 60_000;
const stepsMax = 30_000;
/** Steps between two looks at whether it is done. */
const looksApart = 8;
const acts = 16;

/** What one run came to. */
export interface RunResult {
  readonly seed: number;
  /** Nothing for a good run. */
  readonly problems: readonly string[];
  readonly steps: number;
  /** Of the whole trace. */
  readonly hash: number;
  readonly stale: number;
}

/** What may be done to a run beside its seed; none of it changes its schedule. */
export interface RunOptions {
  /** Gets the trace. */
  readonly onLine?: (line: string) => void;
  /** Holds the store to the invariants after every step, to find the first that breaks one; slow. */
  readonly watch?: boolean;
  /** Done to the store when the bad time is over, for the test of the tests. */
  readonly sabotage?: Statement;
}

/** Runs one seed on an empty store. */
export async function runSeed(
  db: SqliteDatabase,
  seed: number,
  options: RunOptions = {},
): Promise<RunResult> {
  return await new Simulation(db, seed, options).run();
}

class Simulation {
  readonly #db: SqliteDatabase;
  readonly #seed: number;
  readonly #options: RunOptions;
  readonly #time: SimTime;
  readonly #chance: Chance;
  readonly #network: Network;
  readonly #users: Users;
  readonly #userProcess = new SimProcess('user');
  readonly #truth = new Truth();
  readonly #logs = new MemoryLogs();
  readonly #hosts: WorkerHost[];
  readonly #problems: string[] = [];
  #profile: Profile;
  #server: SimServer | undefined;
  #servers = 0;
  readonly #clocks: WallClocks;
  #ending = false;
  #stale = 0;

  constructor(db: SqliteDatabase, seed: number, options: RunOptions) {
    const random = seededRandom(seed);
    this.#db = db;
    this.#clocks = new WallClocks(db);
    this.#seed = seed;
    this.#options = options;
    this.#time = new SimTime(random, options.onLine ?? (() => undefined));
    this.#chance = new Chance(random);
    this.#profile = profileOf(this.#chance);
    const shared = { time: this.#time, chance: this.#chance, profile: () => this.#profile };
    this.#network = new Network({ ...shared, server: () => this.#server });
    const onBug = (error: unknown): void => this.#bug(error);
    const world = { ...shared, network: this.#network, onBug };
    const host = (name: string, slots: number): WorkerHost =>
      new WorkerHost({ ...world, name, slots, queues, truth: this.#truth });
    this.#hosts = [host('w1', 2), host('w2', this.#chance.from(1, 3))];
    const workerIds = (): string[] => this.#hosts.map(({ id }) => id);
    this.#users = new Users({ ...world, process: this.#userProcess, workerIds });
  }

  async run(): Promise<RunResult> {
    this.#startServer();
    for (const host of this.#hosts) host.start();
    this.#planActs();
    try {
      await this.#until('the bad time is over', () => this.#time.nowMs >= badMs, badMs);
      if (isCalm(this.#profile) && !this.#users.hasRemovedWorker) await this.#assertNoneLost();
      if (this.#options.sabotage !== undefined) await this.#db.batch([this.#options.sabotage]);
      await this.#heal();
      await this.#until('every job has ended', () => this.#allEnded(), calmMs);
      await this.#shutDown();
      const { accepted } = this.#users;
      const { setBackAfter: clockSetBackAfter } = this.#clocks;
      const judged = { db: this.#db, truth: this.#truth, logs: this.#logs, accepted, clockSetBackAfter };
      this.#problems.push(...(await judge(judged)));
    } catch (error) {
      this.#problems.push(problemOf(error), ...(await this.#openJobs()));
    }
    const { steps, hash } = this.#time;
    return { seed: this.#seed, problems: this.#problems, steps, hash, stale: this.#stale };
  }

  #planActs(): void {
    for (let act = 0; act < acts; act++) {
      const atMs = this.#chance.random.unit() * badMs;
      this.#time.after(atMs, 'act', undefined, () => this.#users.act());
    }
    for (const [share, what, fault] of this.#faults) {
      const times = Math.floor(share + this.#chance.random.unit());
      for (let time = 0; time < times; time++)
        this.#time.after(this.#chance.random.unit() * badMs, what, undefined, fault);
    }
    this.#time.after(badMs, 'the bad time is over', undefined, () => undefined);
  }

  get #faults(): readonly (readonly [number, string, () => void])[] {
    const profile = this.#profile;
    return [
      [profile.crashControl, 'control crashes', () => this.#crashServer()],
      [profile.stopControl, 'control stops', () => this.#stopFor(this.#server?.process)],
      [profile.crashWorker, 'a worker crashes', () => this.#crashWorker()],
      [
        profile.stopWorker,
        'a worker stops',
        () => this.#stopFor(this.#chance.any(this.#hosts)?.life?.process),
      ],
      [profile.drainWorker, 'a worker is drained', () => this.#drainWorker()],
      [profile.stepClock, 'the clock is set', () => this.#stepClock()],
    ];
  }

  #startServer(): void {
    const process = new SimProcess(`c${++this.#servers}`);
    process.skewMs = this.#clocks.skewMs;
    const { time, chance } = { time: this.#time, chance: this.#chance };
    const crash = (): void => {
      if (this.#server?.process === process) this.#crashServer();
    };
    const store = new SimStore({ db: this.#db, time, chance, process, profile: () => this.#profile, crash });
    const onBug = (error: unknown): void => this.#bug(error);
    const world = { process, time, random: chance.random, store, logs: this.#logs };
    this.#server = new SimServer({ ...world, onBug, onFail: crash });
  }

  /** All it had in memory is gone; another one starts a while later. */
  #crashServer(): void {
    const server = this.#server;
    if (server === undefined) return;
    this.#time.say(`${server.process.name} crashes`);
    this.#stale += server.workers.staleWrites;
    server.process.alive = false;
    this.#server = undefined;
    this.#network.reset(server);
    this.#time.after(this.#chance.from(10, 8_000), 'control starts', undefined, () => this.#ensureServer());
  }

  #ensureServer(): void {
    if (this.#server === undefined) this.#startServer();
  }

  #crashWorker(): void {
    const host = this.#chance.any(this.#hosts);
    host?.crash();
    // Some stay away longer than their lease.
    this.#time.after(this.#chance.from(10, 25_000), 'a worker starts', undefined, () => {
      if (!this.#ending) host?.start();
    });
  }

  #stopFor(process: SimProcess | undefined): void {
    if (process === undefined || process.stopped) return;
    process.stop();
    this.#time.after(this.#chance.from(100, 40_000), `${process.name} goes on`, undefined, () =>
      this.#time.wake(process),
    );
  }

  #drainWorker(): void {
    const host = this.#chance.any(this.#hosts);
    void host?.drain(this.#chance.from(0, 5_000)).then(() => {
      if (!this.#ending) host.start();
    });
  }

  #stepClock(): void {
    this.#clocks.step(this.#chance);
    if (this.#server !== undefined) this.#server.process.skewMs = this.#clocks.skewMs;
  }

  /** No more faults: what stopped goes on, and there is a worker for everything. */
  async #heal(): Promise<void> {
    const waitMs = this.#profile.slow > 0 ? slowMs : 100;
    this.#profile = calm;
    this.#clocks.settle();
    this.#ensureServer();
    if (this.#server !== undefined) {
      this.#server.process.skewMs = this.#clocks.skewMs;
      this.#time.wake(this.#server.process);
    }
    for (const { life } of this.#hosts) if (life !== undefined) this.#time.wake(life.process);
    // What was sent before may still come, and undo the peace.
    this.#time.after(waitMs, 'nothing is under way', undefined, () => undefined);
    const quietAtMs = this.#time.nowMs + waitMs;
    const isQuiet = (): boolean => this.#time.nowMs >= quietAtMs && this.#users.underWay.length === 0;
    await this.#until('users have their answers', isQuiet, calmMs);
    // Not before: what comes late may drain it, as it may have drained all others.
    const helper = this.#hosts[0];
    helper?.crash();
    helper?.start();
    let done = false;
    this.#users.makePeace().then(
      () => (done = true),
      (error: unknown) => this.#bug(error),
    );
    await this.#until('there is peace', () => done, calmMs);
  }

  async #assertNoneLost(): Promise<void> {
    const sql = `SELECT * FROM (${endedAttempts}) WHERE reason = 'worker_lost' ORDER BY job_id, attempt`;
    for (const row of await this.#db.query({ sql }))
      this.#problems.push(`a worker that was there all the time was taken for lost: ${JSON.stringify(row)}`);
  }

  async #allEnded(): Promise<boolean> {
    const sql = 'SELECT 1 AS open FROM jobs WHERE ended_at_ms IS NULL ORDER BY seq LIMIT 1';
    return (await this.#db.query({ sql })).length === 0;
  }

  async #openJobs(): Promise<string[]> {
    const rows = await this.#db.query({
      sql: `SELECT id, queue, state, reason, attempt, worker_id, run_at_ms, waits_for_key FROM jobs
        WHERE ended_at_ms IS NULL ORDER BY id LIMIT 10`,
    });
    return rows.map((row) => `has not ended: ${JSON.stringify(row)}`);
  }

  /** Everything ends in good order, and leaves nothing. */
  async #shutDown(): Promise<void> {
    this.#ending = true;
    const lives = this.#hosts.flatMap(({ life }) => life ?? []);
    let done = false;
    void Promise.all(this.#hosts.map((host) => host.drain(1_000))).then(() => (done = true));
    await this.#until('the workers have left', () => done, 60_000);
    const server = this.#server;
    let stopped = false;
    void server?.stop().then(() => (stopped = true));
    await this.#until('the control node has stopped', () => stopped, 60_000);
    this.#stale += server?.workers.staleWrites ?? 0;
    for (const { process, executor } of lives) {
      if (executor.live !== 0) this.#problems.push(`I7: ${process.name} left ${executor.live} commands`);
      const left = this.#time.pendingOf(process);
      if (left.length > 0) this.#problems.push(`I7: ${process.name} left ${left.join(', ')}`);
    }
    const left = [...this.#network.open, ...this.#time.pendingOf(server?.process ?? this.#userProcess)];
    if (left.length > 0) this.#problems.push(`I7: left open: ${left.join(', ')}`);
  }

  async #until(what: string, isDone: () => boolean | Promise<boolean>, withinMs: number): Promise<void> {
    const endMs = this.#time.nowMs + withinMs;
    for (let step = 0; ; step++) {
      if (this.#problems.length > 0) throw new Error('it went wrong before that');
      const isLate = this.#time.nowMs > endMs;
      if ((isLate || step % looksApart === 0) && (await isDone())) return;
      if (isLate) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
      if (this.#time.steps > stepsMax) throw new Error(`${stepsMax} steps, and still not: ${what}`);
      const goesOn = await this.#time.step();
      if (this.#options.watch === true) await this.#look();
      if (!goesOn && !(await isDone())) throw new Error(`nothing happens any more, and still not: ${what}`);
    }
  }

  async #look(): Promise<void> {
    for (const line of await checkInvariants(this.#db, { clockSetBackAfter: this.#clocks.setBackAfter }))
      this.#problems.push(`step ${this.#time.steps}: ${line}`);
  }

  #bug(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#problems.push(`step ${this.#time.steps}: ${text}`);
  }
}
