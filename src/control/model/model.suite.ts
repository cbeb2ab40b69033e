/** A small model of jobs, queues and workers in plain memory, to hold the commands against. */
import type { FairBy, KeyPolicy } from '../../contract/queue.ts';
import type { AfterFailed } from '../../contract/together.ts';
import { defaults } from '../../domain/defaults.ts';
import { type AttemptEnd, decideEnd, isEnded, isHeld, type JobState } from '../../domain/job.ts';
import { priorityStepMs } from '../../domain/limits.ts';
import { defaultBackoff, type ReasonRules, type UsedByReason } from '../../domain/retry.ts';
import type { ModelAnswer } from './answer-steps.suite.ts';

export interface ModelWorker {
  generation: number;
  state: 'online' | 'draining' | 'offline';
  leaseUntilMs: number;
}

export interface ModelQueue {
  paused: boolean;
  concurrencyMax: number | null;
  concurrencyMaxPerKey: number | null;
  keyPolicy: KeyPolicy;
  fairBy: FairBy;
}

/** What a job is submitted with. */
export interface NewModelJob {
  readonly id: string;
  readonly queue: string;
  readonly attemptsMax: number;
  readonly priority: number;
  readonly runAtMs: number;
  readonly expireInMs: number | undefined;
  readonly key: string | undefined;
  readonly uniqueKey: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly tenant: string;
  readonly retry: ReasonRules | undefined;
  readonly group: string | undefined;
  readonly after: readonly ModelJob[];
  readonly afterFailed: AfterFailed;
}

/** What a submit leaves out. */
export const noOptions = {
  ...{ expireInMs: undefined, key: undefined, uniqueKey: undefined, idempotencyKey: undefined },
  ...{
    tenant: defaults.tenant,
    retry: undefined,
    group: undefined,
    after: [],
    afterFailed: 'fail' as AfterFailed,
  },
} as const;

export interface ModelJob extends Omit<NewModelJob, 'expireInMs' | 'runAtMs' | 'after'> {
  /** How each job it runs after ended, as far as it has heard. */
  readonly parents: Map<ModelJob, JobState | undefined>;
  readonly order: number;
  runAtMs: number;
  expiresAtMs: number | null;
  state: JobState;
  attempt: number;
  attemptsUsed: number;
  infraFailures: number;
  usedByReason: UsedByReason;
  memoryMiB: number;
  cancelRequested: boolean;
  /** Its key has no room. */
  waits: boolean;
  reason: string | null;
  endedAtMs: number | null;
  /** Index of the worker, and its generation at the claim. */
  holder: { worker: number; generation: number } | undefined;
}

/** Jobs in the order of their submit; those forgotten are taken out. */
export class Model {
  jobs: ModelJob[] = [];
  answers: ModelAnswer[] = [];
  readonly workers: ModelWorker[] = [];
  readonly #queues = new Map<string, ModelQueue>();
  #submitted = 0;

  queue(name: string): ModelQueue {
    const found = this.#queues.get(name) ?? {
      paused: false,
      concurrencyMax: null,
      concurrencyMaxPerKey: null,
      keyPolicy: 'wait' as const,
      fairBy: 'none' as const,
    };
    this.#queues.set(name, found);
    return found;
  }

  submit({ expireInMs, after, ...given }: NewModelJob, nowMs: number): ModelJob {
    const job: ModelJob = {
      ...given,
      order: this.#submitted++,
      parents: new Map(after.map((parent) => [parent, undefined])),
      state: after.length > 0 ? 'blocked' : given.runAtMs > nowMs ? 'scheduled' : 'pending',
      expiresAtMs: expireInMs === undefined ? null : given.runAtMs + expireInMs,
      attempt: 0,
      attemptsUsed: 0,
      infraFailures: 0,
      usedByReason: {},
      memoryMiB: defaults.memoryMiB,
      cancelRequested: false,
      waits: false,
      reason: null,
      endedAtMs: null,
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

  /** The jobs a worker would get, best first. */
  claim(worker: number, want: number): ModelJob[] {
    const room = new Map<string, number>();
    const claimed = this.ready(worker)
      .sort(byRank)
      .filter(({ queue }) => {
        const left = room.get(queue) ?? this.roomIn(queue);
        room.set(queue, left - 1);
        return left > 0;
      })
      .slice(0, want);
    this.give(worker, claimed);
    return claimed;
  }

  /** All jobs that a worker may be given, if their queues have room. */
  ready(worker: number): ModelJob[] {
    if (this.workers[worker]?.state !== 'online') return [];
    return this.jobs.filter(
      ({ state, waits, queue }) => state === 'pending' && !waits && !this.queue(queue).paused,
    );
  }

  give(worker: number, jobs: readonly ModelJob[]): void {
    for (const job of jobs) {
      job.state = 'claimed';
      job.attempt++;
      job.reason = null;
      job.holder = { worker, generation: this.workers[worker]?.generation ?? 0 };
    }
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

  /** False when it is refused. */
  cancel(job: ModelJob, nowMs: number): boolean {
    if (isEnded(job.state)) return false;
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
  }

  /** The worker is gone, or starts anew: what it held is lost to it. */
  loseHeld(worker: number, nowMs: number): ModelJob[] {
    const lost = this.heldBy(worker);
    for (const job of lost) this.end(job, { reason: 'worker_lost', exitCode: null }, nowMs);
    return lost;
  }

  forget(gone: readonly ModelJob[]): void {
    this.jobs = this.jobs.filter((job) => !gone.includes(job));
    this.answers = this.answers.filter(({ job }) => !gone.includes(job));
  }

  /** Sets the limit per key: of each key the best pending jobs are ready, as many as have room. */
  limitKeys(queue: string, max: number | null): void {
    const before = this.queue(queue).concurrencyMaxPerKey;
    this.queue(queue).concurrencyMaxPerKey = max;
    if (before === max) return;
    const keyed = this.jobs.filter(
      (job) => job.queue === queue && job.key !== undefined && job.state === 'pending',
    );
    for (const job of keyed) job.waits = max !== null;
    if (max === null) return;
    for (const job of keyed.sort(byRank)) job.waits = this.#taken(job) >= max;
  }

  roomIn(queue: string): number {
    const { concurrencyMax } = this.queue(queue);
    if (concurrencyMax === null) return Number.POSITIVE_INFINITY;
    return concurrencyMax - this.jobs.filter((job) => job.queue === queue && isHeld(job.state)).length;
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

/** The best first. */
export function byRank(a: ModelJob, b: ModelJob): number {
  const rank = ({ runAtMs, priority }: ModelJob): number => runAtMs - priority * priorityStepMs;
  return rank(a) - rank(b) || a.order - b.order;
}
