/** A small model of jobs, queues and workers in plain memory, to hold the commands against. */
import type { QueueSettings } from '../../contract/queue.ts';
import { defaults } from '../../domain/defaults.ts';
import { type AttemptEnd, decideEnd, endedStates, isEnded, isHeld, type JobState } from '../../domain/job.ts';
import { defaultBackoff } from '../../domain/retry.ts';
import type { ModelAnswer } from './answer-steps.suite.ts';
import {
  type CancelWhy,
  type ModelJob,
  type ModelQueue,
  type ModelWorker,
  type NewModelJob,
  notCancelled,
  unsetQueue,
} from './model-parts.suite.ts';
import { Rates } from './rates.suite.ts';
import type { ModelSchedule } from './schedule.suite.ts';
import { nothingTold } from './told.suite.ts';

/** Jobs in the order of their submit; those forgotten are taken out. */
export class Model {
  jobs: ModelJob[] = [];
  /** Queues of jobs that were forgotten, by id: what happened to those is told by queue all the same. */
  readonly queueOfForgotten = new Map<string, string>();
  answers: ModelAnswer[] = [];
  readonly workers: ModelWorker[] = [];
  readonly rates = new Rates();
  /** The one that there is. */
  schedule: ModelSchedule | undefined;
  readonly #queues = new Map<string, ModelQueue>();
  #submitted = 0;

  queue(name: string): ModelQueue {
    const found = this.#queues.get(name) ?? unsetQueue();
    this.#queues.set(name, found);
    return found;
  }

  /** Those that anything was asked of. */
  queues(): readonly (readonly [string, ModelQueue])[] {
    return [...this.#queues];
  }

  submit({ after, ...given }: NewModelJob, nowMs: number): ModelJob {
    const job: ModelJob = {
      ...given,
      order: this.#submitted++,
      parents: new Map(after.map((parent) => [parent, undefined])),
      state: after.length > 0 ? 'blocked' : given.runAtMs > nowMs ? 'scheduled' : 'pending',
      expiresAtMs: given.expireInMs === undefined ? null : given.runAtMs + given.expireInMs,
      attempt: 0,
      attemptsUsed: 0,
      infraFailures: 0,
      usedByReason: {},
      memoryMiB: defaults.memoryMiB,
      cancelRequested: false,
      cancelWhy: notCancelled,
      told: nothingTold(),
      waits: false,
      reason: null,
      endedAtMs: null,
      claimedAtMs: null,
      holder: undefined,
    };
    this.jobs.push(job);
    if (job.state === 'pending') this.#parkOne(job);
    return job;
  }

  /** Who has a unique key of a queue now. */
  holderOf(queue: string, key: string | undefined): ModelJob | undefined {
    if (key === undefined) return undefined;
    return this.jobs.find((job) => job.queue === queue && job.uniqueKey === key && !isEnded(job.state));
  }

  /** The jobs a worker would get, best first, while no queue takes turns or has a rate. */
  claim(worker: number, want: number, nowMs: number): ModelJob[] {
    const room = new Map<string, number>();
    const claimed = this.ready(worker)
      .sort(byRank)
      .filter(({ queue }) => {
        const left = room.get(queue) ?? this.roomIn(queue, nowMs);
        room.set(queue, left - 1);
        return left > 0;
      })
      .slice(0, want);
    this.give(worker, claimed, nowMs);
    return claimed;
  }

  /** All jobs that a worker may be given, if their queues have room. */
  ready(worker: number): ModelJob[] {
    if (this.workers[worker]?.state !== 'online') return [];
    return this.jobs.filter(
      ({ state, waits, queue }) => state === 'pending' && !waits && !this.queue(queue).paused,
    );
  }

  give(worker: number, jobs: readonly ModelJob[], nowMs: number): void {
    for (const job of jobs) {
      this.rates.take(job, nowMs);
      job.claimedAtMs = nowMs;
      job.state = 'claimed';
      job.attempt++;
      job.reason = null;
      job.holder = { worker, generation: this.workers[worker]?.generation ?? 0 };
    }
  }

  /** Unstarted, by its worker. */
  giveBack(job: ModelJob, nowMs: number): void {
    this.rates.giveBack(job, nowMs);
    this.move(job, 'pending', nowMs);
  }

  start(job: ModelJob): void {
    job.state = 'running';
    job.expiresAtMs = null;
  }

  /** What a worker holds, in the order of submit. */
  heldBy(worker: number, state?: JobState): ModelJob[] {
    return this.jobs.filter(
      (job) =>
        job.holder?.worker === worker && (state === undefined ? isHeld(job.state) : job.state === state),
    );
  }

  end(job: ModelJob, end: AttemptEnd, nowMs: number): void {
    const { attemptsUsed, attemptsMax, infraFailures, cancelRequested } = job;
    const { retry: rules, usedByReason: used, memoryMiB } = job;
    const byReason = rules === undefined ? {} : { byReason: { rules, used, memoryMiB } };
    const before = { attemptsUsed, attemptsMax, infraFailures, cancelRequested, backoff: defaultBackoff };
    const decision = decideEnd({ ...before, ...byReason }, end, nowMs, 0);
    job.attemptsUsed = decision.attemptsUsed;
    job.infraFailures = decision.infraFailures;
    job.usedByReason = decision.byReason?.used ?? {};
    job.memoryMiB = decision.byReason?.memoryMiB ?? defaults.memoryMiB;
    job.reason = end.reason;
    this.move(job, decision.state, nowMs);
  }

  /** To a state without a holder; the room it leaves or takes is shared among the jobs of its key. */
  move(job: ModelJob, state: JobState, nowMs: number): void {
    const waited = job.waits;
    const left = job.state;
    job.state = state;
    job.holder = undefined;
    job.waits = false;
    job.endedAtMs = isEnded(state) ? nowMs : null;
    if (state === 'pending' && left !== 'pending') this.#parkOne(job);
    if (state !== 'pending' && !waited && (left === 'pending' || isHeld(left))) this.#admitOne(job);
  }

  /** False when it is refused. Who asked first, and why, stands. */
  cancel(job: ModelJob, nowMs: number, why: CancelWhy): boolean {
    if (isEnded(job.state)) return false;
    if (!job.cancelRequested) job.cancelWhy = why;
    job.cancelRequested = true;
    if (job.state === 'running') return true;
    job.reason = 'cancelled';
    this.move(job, 'cancelled', nowMs);
    return true;
  }

  /** With all its attempts allowed anew; it waits for those it runs after that go on again. */
  revive(job: ModelJob, nowMs: number, delayMs: number): void {
    const going = [...job.parents.keys()].filter((parent) => !isEnded(parent.state));
    for (const parent of job.parents.keys())
      job.parents.set(parent, going.includes(parent) ? undefined : 'completed');
    job.runAtMs = nowMs + delayMs;
    job.expiresAtMs = null;
    job.attemptsUsed = 0;
    job.infraFailures = 0;
    job.usedByReason = {};
    job.memoryMiB = defaults.memoryMiB;
    job.cancelRequested = false;
    job.cancelWhy = notCancelled;
    job.reason = null;
    this.move(job, going.length > 0 ? 'blocked' : delayMs > 0 ? 'scheduled' : 'pending', nowMs);
  }

  /** Expires first, then promotes. */
  tick(nowMs: number): void {
    for (const job of this.jobs) {
      if (job.state !== 'pending' && job.state !== 'scheduled' && job.state !== 'blocked') continue;
      if (job.expiresAtMs === null || job.expiresAtMs > nowMs) continue;
      job.reason = 'expired';
      this.move(job, 'failed', nowMs);
    }
    for (const job of this.jobs)
      if (job.state === 'scheduled' && job.runAtMs <= nowMs) this.move(job, 'pending', nowMs);
    this.rates.open(nowMs);
  }

  /** The worker is gone, or starts anew: what it held is lost to it. */
  loseHeld(worker: number, nowMs: number): ModelJob[] {
    const lost = this.heldBy(worker);
    for (const job of lost) this.end(job, { reason: 'worker_lost', exitCode: null }, nowMs);
    return lost;
  }

  /** The longest ended first. */
  endedIn(queue: string, state: JobState): ModelJob[] {
    const ended = this.jobs.filter((job) => job.queue === queue && job.state === state);
    return ended.sort((a, b) => (a.endedAtMs ?? 0) - (b.endedAtMs ?? 0) || a.order - b.order);
  }

  /** How long its queue keeps it. */
  keptUntilMs({ queue, state, endedAtMs }: ModelJob): number {
    const { retention } = this.queue(queue);
    const ended = endedStates.find((each) => each === state);
    const keptMs = ended === undefined ? null : retention[`${ended}Ms`];
    return keptMs === null || endedAtMs === null ? Number.POSITIVE_INFINITY : endedAtMs + keptMs;
  }

  forget(gone: readonly ModelJob[]): void {
    for (const { id, queue } of gone) this.queueOfForgotten.set(id, queue);
    this.jobs = this.jobs.filter((job) => !gone.includes(job));
    this.answers = this.answers.filter(({ job }) => !gone.includes(job));
  }

  /** Sets all settings of a queue; a rate that changes begins with full buckets. */
  set(queue: string, settings: QueueSettings, nowMs: number): void {
    const before = this.queue(queue).concurrencyMaxPerKey;
    Object.assign(this.queue(queue), settings);
    this.rates.set(queue, settings, nowMs);
    if (before !== settings.concurrencyMaxPerKey) this.#limitKeys(queue, settings.concurrencyMaxPerKey);
  }

  /** Of each key the best pending jobs are ready, as many as have room. */
  #limitKeys(queue: string, max: number | null): void {
    const keyed = this.jobs.filter(
      (job) => job.queue === queue && job.key !== undefined && job.state === 'pending',
    );
    for (const job of keyed) job.waits = max !== null;
    if (max === null) return;
    for (const job of keyed.sort(byRank)) job.waits = this.#taken(job) >= max;
  }

  /** What its concurrency and its rate leave; may be less than none. */
  roomIn(queue: string, nowMs: number): number {
    const { concurrencyMax } = this.queue(queue);
    const tokens = this.rates.tokens(queue, nowMs);
    if (concurrencyMax === null) return tokens;
    const held = this.jobs.filter((job) => job.queue === queue && isHeld(job.state)).length;
    return Math.min(tokens, concurrencyMax - held);
  }

  #ofKey({ queue, key }: ModelJob): ModelJob[] {
    return this.jobs.filter((job) => job.queue === queue && job.key === key);
  }

  /** Jobs of the same key that are held or ready. */
  #taken(job: ModelJob): number {
    return this.#ofKey(job).filter(({ state, waits }) => isHeld(state) || (state === 'pending' && !waits))
      .length;
  }

  /** One has come: if that is one too many, the worst that is ready waits. */
  #parkOne(job: ModelJob): void {
    const max = job.key === undefined ? null : this.queue(job.queue).concurrencyMaxPerKey;
    if (max === null || this.#taken(job) <= max) return;
    const ready = this.#ofKey(job).filter(({ state, waits }) => state === 'pending' && !waits);
    const worst = ready.sort(byRank).at(-1);
    if (worst !== undefined) worst.waits = true;
  }

  /** One has gone: if there is room, the best that waits is ready. */
  #admitOne(job: ModelJob): void {
    const max = job.key === undefined ? null : this.queue(job.queue).concurrencyMaxPerKey;
    if (max === null || this.#taken(job) >= max) return;
    const [best] = this.#ofKey(job)
      .filter(({ waits }) => waits)
      .sort(byRank);
    if (best !== undefined) best.waits = false;
  }
}

/** A priority is worth a minute of waiting. */
export function rankOf({ runAtMs, priority }: ModelJob): number {
  return runAtMs - priority * 60_000;
}

/** The best first. */
export function byRank(a: ModelJob, b: ModelJob): number {
  return rankOf(a) - rankOf(b) || a.order - b.order;
}
