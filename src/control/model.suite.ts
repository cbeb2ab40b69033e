/** A small model of jobs and workers in plain memory, to hold the commands against. */

import type { AfterFailed } from '../contract/together.ts';
import { type AttemptEnd, decideEnd, isEnded, isHeld, type JobState } from '../domain/job.ts';
import { defaults, priorityStepMs } from '../domain/limits.ts';
import { defaultBackoff, type ReasonRules, type UsedByReason } from '../domain/retry.ts';

export interface ModelWorker {
  generation: number;
  state: 'online' | 'draining' | 'offline';
}

/** What a test chooses of a job. */
export interface ModelOptions {
  readonly attemptsMax: number;
  readonly priority: number;
  readonly after: readonly ModelJob[];
  readonly afterFailed: AfterFailed;
  readonly group: string | undefined;
  readonly retry: ReasonRules | undefined;
}

export interface ModelJob {
  readonly id: string;
  readonly order: number;
  readonly attemptsMax: number;
  readonly priority: number;
  readonly afterFailed: AfterFailed;
  readonly group: string | undefined;
  /** How each job it runs after ended, as far as it has heard. */
  readonly parents: Map<ModelJob, JobState | undefined>;
  readonly retry: ReasonRules | undefined;
  state: JobState;
  attempt: number;
  attemptsUsed: number;
  infraFailures: number;
  usedByReason: UsedByReason;
  memoryMiB: number;
  cancelRequested: boolean;
  runAtMs: number;
  /** Index of the worker, and its generation at the claim. */
  holder: { worker: number; generation: number } | undefined;
}

export class Model {
  readonly jobs: ModelJob[] = [];
  readonly workers: ModelWorker[] = [];

  submit(id: string, { after, ...options }: ModelOptions, nowMs: number): void {
    this.jobs.push({
      id,
      ...options,
      order: this.jobs.length,
      parents: new Map(after.map((parent) => [parent, undefined])),
      state: after.length > 0 ? 'blocked' : 'pending',
      attempt: 0,
      attemptsUsed: 0,
      infraFailures: 0,
      usedByReason: {},
      memoryMiB: defaults.memoryMiB,
      cancelRequested: false,
      runAtMs: nowMs,
      holder: undefined,
    });
  }

  /** The jobs a worker would get, best first. */
  claim(worker: number, want: number): ModelJob[] {
    const known = this.workers[worker];
    if (known?.state !== 'online') return [];
    const ready = this.jobs.filter(({ state }) => state === 'pending');
    const rankOf = ({ runAtMs, priority }: ModelJob): number => runAtMs - priority * priorityStepMs;
    ready.sort((a, b) => rankOf(a) - rankOf(b) || a.order - b.order);
    const claimed = ready.slice(0, want);
    for (const job of claimed) {
      job.state = 'claimed';
      job.attempt++;
      job.holder = { worker, generation: known.generation };
    }
    return claimed;
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
    job.state = decision.state;
    job.attemptsUsed = decision.attemptsUsed;
    job.infraFailures = decision.infraFailures;
    job.usedByReason = decision.byReason?.used ?? {};
    job.memoryMiB = decision.byReason?.memoryMiB ?? defaults.memoryMiB;
    job.holder = undefined;
  }

  giveBack(job: ModelJob): void {
    job.state = 'pending';
    job.holder = undefined;
  }

  /** False when it is refused. */
  cancel(job: ModelJob): boolean {
    if (isEnded(job.state)) return false;
    if (job.state === 'running') {
      job.cancelRequested = true;
      return true;
    }
    job.state = 'cancelled';
    job.cancelRequested = true;
    job.holder = undefined;
    return true;
  }

  /** False when it is refused. */
  retry(job: ModelJob, nowMs: number, delayMs: number): boolean {
    if (job.state !== 'failed' && job.state !== 'cancelled') return false;
    const going = [...job.parents.keys()].filter((parent) => !isEnded(parent.state));
    job.state = going.length > 0 ? 'blocked' : delayMs > 0 ? 'scheduled' : 'pending';
    for (const parent of job.parents.keys())
      job.parents.set(parent, going.includes(parent) ? undefined : 'completed');
    job.runAtMs = nowMs + delayMs;
    job.attemptsUsed = 0;
    job.infraFailures = 0;
    job.usedByReason = {};
    job.memoryMiB = defaults.memoryMiB;
    job.cancelRequested = false;
    return true;
  }

  /** Children hear of the ends of their parents, and of the ends which that brings, until nothing changes. */
  tellChildren(nowMs: number): void {
    for (const job of this.jobs) {
      for (const [parent, heard] of job.parents)
        if (heard === undefined && isEnded(parent.state)) job.parents.set(parent, parent.state);
      // Parents stand before their children, so one round tells all.
      if (job.state === 'blocked') this.#settle(job, nowMs);
    }
  }

  #settle(job: ModelJob, nowMs: number): void {
    const ends = [...job.parents];
    const bad = ends.filter(([, heard]) => heard === 'failed' || heard === 'cancelled');
    const [first] = bad.sort(([a], [b]) => (a.id < b.id ? -1 : 1));
    if (first !== undefined && job.afterFailed !== 'run')
      job.state = job.afterFailed === 'skip' ? 'cancelled' : (first[1] ?? 'failed');
    else if (ends.every(([, heard]) => heard !== undefined)) {
      job.state = job.runAtMs > nowMs ? 'scheduled' : 'pending';
      job.runAtMs = Math.max(job.runAtMs, nowMs);
    }
  }

  /** Jobs per group and state. */
  groups(): Record<string, Record<string, number>> {
    const counts: Record<string, Record<string, number>> = {};
    for (const { group, state } of this.jobs) {
      if (group === undefined) continue;
      const count = counts[group] ?? {};
      counts[group] = { ...count, [state]: (count[state] ?? 0) + 1 };
    }
    return counts;
  }

  promote(nowMs: number): void {
    for (const job of this.jobs) if (job.state === 'scheduled' && job.runAtMs <= nowMs) job.state = 'pending';
  }

  /** The worker is gone, or starts anew: what it held is lost to it. */
  loseHeld(worker: number, nowMs: number): ModelJob[] {
    const lost = this.heldBy(worker);
    for (const job of lost) this.end(job, { reason: 'worker_lost', exitCode: null }, nowMs);
    return lost;
  }
}
