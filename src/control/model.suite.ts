/** A small model of jobs and workers in plain memory, to hold the commands against. */
import { type AttemptEnd, decideEnd, isEnded, isHeld, type JobState } from '../domain/job.ts';
import { defaults, priorityStepMs } from '../domain/limits.ts';
import { defaultBackoff, type ReasonRules, type UsedByReason } from '../domain/retry.ts';

export interface ModelWorker {
  generation: number;
  state: 'online' | 'draining' | 'offline';
}

export interface ModelJob {
  readonly id: string;
  readonly order: number;
  readonly attemptsMax: number;
  readonly priority: number;
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

  submit(id: string, options: Pick<ModelJob, 'attemptsMax' | 'priority' | 'retry'>, nowMs: number): void {
    this.jobs.push({
      id,
      ...options,
      order: this.jobs.length,
      state: 'pending',
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
    job.state = delayMs > 0 ? 'scheduled' : 'pending';
    job.runAtMs = nowMs + delayMs;
    job.attemptsUsed = 0;
    job.infraFailures = 0;
    job.usedByReason = {};
    job.memoryMiB = defaults.memoryMiB;
    job.cancelRequested = false;
    return true;
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
