/**
 * One system at one concurrency, in a process of its own: enqueue, process a backlog, pick up single jobs. Each kind of
 * work is done unmeasured first, by every system alike: queues run for weeks, and the first second of their clients,
 * workers and servers is that of the compiler of their language.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../lib/report.ts';
import type { System } from './systems.ts';

/** What a module under test gives. */
export interface Contestant {
  enqueue(index: number): Promise<unknown>;
  bulk(indexes: readonly number[]): Promise<unknown>;
  /** Starts a worker; what is given stops it, and another one may be started then. */
  start(handle: (index: number) => Promise<void>): Promise<() => Promise<void>>;
  /** Ends all of it, the worker last started included. */
  stop(): Promise<void>;
}

/** What a module under test is given. */
export interface ContestantInput {
  /** For its files; removed by who started this process. */
  readonly dir: string;
  readonly concurrency: number;
  /** What each job carries beside its index. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** Of its server, where it has one. */
  readonly port?: number;
  readonly url?: string;
  readonly [option: string]: unknown;
}

/** What the parent sends. */
export interface Task {
  readonly system: System;
  readonly input: ContestantInput;
  readonly jobs: number;
  /** Enqueueing does not depend on the concurrency of the worker, and is measured once. */
  readonly measureEnqueue: boolean;
}

/** What this process answers; rates per second, times in ms. */
export interface Score {
  readonly enqueue1?: number;
  readonly enqueue50?: number;
  readonly bulk?: number;
  readonly process: number;
  /** Left out when the backlog was not done in time. */
  readonly pickUpP50?: number;
  readonly pickUpP99?: number;
}

const inFlight = 50;
const bulkSize = 200;
const bulks = 20;
const pickUps = 200;
/** What is done before each figure, and for how long at most: some systems are slow. */
const warmUp = { jobs: 5_000, bulks: 10, pickUps: 5_000, maxMs: 5_000 };
/** A job that is picked up alone goes ways of its own: in one run p50 was 2.9 ms after 300 of them, 2.5 after 3,000. */
const pickUpWarmUp = { pauseMs: 1, maxMs: 12_000 };
const processMaxMs = 60_000;
const pickUpMaxMs = 60_000;
const stopMs = 10_000;

class Contest {
  readonly #contestant: Contestant;
  readonly #jobs: number;
  readonly #doneOnce = new Set<number>();
  #handle: (index: number) => void = () => undefined;
  #next = 0;

  constructor(contestant: Contestant, jobs: number) {
    this.#contestant = contestant;
    this.#jobs = jobs;
  }

  /** Enqueues `count` jobs with so many under way at once; jobs per second. */
  async enqueue(count: number, atOnce: number): Promise<number> {
    await this.#enqueue(warmUp.jobs, atOnce, performance.now() + warmUp.maxMs);
    const startMs = performance.now();
    await this.#enqueue(count, atOnce, Number.POSITIVE_INFINITY);
    return perSecond(count, startMs);
  }

  async #enqueue(count: number, atOnce: number, untilMs: number): Promise<void> {
    let left = count;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left-- > 0 && performance.now() < untilMs) await this.#contestant.enqueue(this.#next++);
      }),
    );
  }

  async bulk(): Promise<number> {
    for (let count = 0; count < warmUp.bulks; count++) await this.#addBulk(bulkSize);
    const startMs = performance.now();
    for (let count = 0; count < bulks; count++) await this.#addBulk(bulkSize);
    return perSecond(bulks * bulkSize, startMs);
  }

  /** Fills the backlog up, then starts a worker; jobs per second from its first job to the last. */
  async process(): Promise<number> {
    await this.#fill(warmUp.jobs);
    const stopWorker = (await this.#work(warmUp.jobs, warmUp.maxMs)).stopWorker;
    await stopWorker();
    await this.#fill(this.#jobs);
    const { done, tookMs } = await this.#work(this.#left, processMaxMs);
    if (done < 2) throw new Error(`after ${processMaxMs} ms ${done} of ${this.#next} jobs were done`);
    return ((done - 1) / tookMs) * 1_000;
  }

  /** A slow system is measured by what it has done when its time is over. */
  async #work(count: number, maxMs: number) {
    const before = this.#doneOnce.size;
    let firstMs = 0;
    let lastMs = 0;
    const all = new Promise<void>((resolve) => {
      this.#handle = () => {
        lastMs = performance.now();
        if (firstMs === 0) firstMs = lastMs;
        if (this.#doneOnce.size - before >= count) resolve();
      };
    });
    const stopWorker = await this.#contestant.start(async (index) => {
      if (this.#doneOnce.has(index)) throw new Error(`job ${index} ran twice`);
      this.#doneOnce.add(index);
      this.#handle(index);
    });
    await Promise.race([all, sleep(maxMs, undefined, { ref: false })]);
    return { done: this.#doneOnce.size - before, tookMs: lastMs - firstMs, stopWorker };
  }

  async #fill(backlog: number): Promise<void> {
    while (this.#left < backlog) await this.#addBulk(Math.min(bulkSize, backlog - this.#left));
  }

  get #left(): number {
    return this.#next - this.#doneOnce.size;
  }

  get isDone(): boolean {
    return this.#doneOnce.size === this.#next;
  }

  /** Times from the call that enqueues one job to the begin of its handler, with an idle worker. */
  async pickUp(): Promise<number[]> {
    await sleep(500);
    const { pauseMs, maxMs } = pickUpWarmUp;
    await this.#pickUp(warmUp.pickUps, () => pauseMs, performance.now() + maxMs);
    await sleep(500);
    return this.#pickUp(pickUps, (count) => 8 + ((count * 7) % 9));
  }

  async #pickUp(
    most: number,
    pauseMs: (count: number) => number,
    begunUntilMs = Number.POSITIVE_INFINITY,
  ): Promise<number[]> {
    const times: number[] = [];
    const sentMs = new Map<number, number>();
    this.#handle = (index) => times.push(performance.now() - (sentMs.get(index) ?? Number.NaN));
    let jobs = 0;
    for (; jobs < most && performance.now() < begunUntilMs; jobs++) {
      const index = this.#next++;
      sentMs.set(index, performance.now());
      await this.#contestant.enqueue(index);
      await sleep(pauseMs(jobs));
    }
    for (const untilMs = performance.now() + pickUpMaxMs; times.length < jobs; ) {
      if (performance.now() > untilMs) throw new Error(`${times.length} of ${jobs} jobs were picked up`);
      await sleep(20);
    }
    return times;
  }

  #addBulk(size: number): Promise<unknown> {
    return this.#contestant.bulk(Array.from({ length: size }, () => this.#next++));
  }
}

async function run({ system, input, jobs, measureEnqueue }: Task): Promise<Score> {
  const { open } = (await import(system.module)) as { open(input: ContestantInput): Promise<Contestant> };
  const contestant = await open({ ...input, ...system.options });
  const contest = new Contest(contestant, jobs);
  const enqueues = measureEnqueue ? await enqueueScores(contest, jobs) : {};
  const process = await contest.process();
  const pickUps = contest.isDone ? pickUpScores(await contest.pickUp()) : {};
  await Promise.race([contestant.stop(), sleep(stopMs)]);
  return { ...enqueues, process, ...pickUps };
}

function pickUpScores(times: readonly number[]): Partial<Score> {
  return { pickUpP50: quantile(times, 0.5), pickUpP99: quantile(times, 0.99) };
}

async function enqueueScores(contest: Contest, jobs: number): Promise<Partial<Score>> {
  const enqueue1 = await contest.enqueue(Math.ceil(jobs / 10), 1);
  const enqueue50 = await contest.enqueue(Math.ceil(jobs / 2), inFlight);
  return { enqueue1, enqueue50, bulk: await contest.bulk() };
}

function perSecond(count: number, startMs: number): number {
  return (count / (performance.now() - startMs)) * 1_000;
}

process.once('message', (task: Task) => {
  run(task).then(
    (score) => process.send?.({ score }, () => process.exit(0)),
    (error: unknown) => process.send?.({ error: String(error) }, () => process.exit(1)),
  );
});
