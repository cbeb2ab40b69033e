/** Submits the jobs of runs that were decided; doing it again after a crash gives the same job. */
import type { Job, SubmitJob } from '../../contract/job.ts';
import { asBlixardError, type BlixardError, isBlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Database, Row } from '../../store/database.ts';
import { integer, json, text, textOrNull } from '../../store/statements/columns.ts';
import { earlierJobs, firingRuns, forgetRuns, settleRun } from '../../store/statements/schedules.ts';
import type { JobCommands } from '../job-commands.ts';
import { allDone } from './all-done.ts';

/** A run whose job is to be submitted. */
export interface FiringRun {
  /** Of the run, and of its job. */
  readonly id: string;
  readonly schedule: string;
  readonly job: SubmitJob;
  /** The job that must end for it. */
  readonly replaces: string | null;
  /** Its job waits for the end of those of earlier runs. */
  readonly waits: boolean;
}

/** Every call may reject with STORE_UNAVAILABLE or OVERLOADED; then the run waits to be delivered again. */
export class RunDelivery {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #jobs: JobCommands;
  readonly #log: Log;

  constructor(deps: { db: Database; clock: Clock; jobs: JobCommands; log: Log }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#jobs = deps.jobs;
    this.#log = deps.log;
  }

  /** Submits the jobs of all runs that wait for it. */
  async deliverWaiting(): Promise<void> {
    for (let after = 0; ; ) {
      const page = { after, limit: limits.schedulesPerLook };
      const rows = await this.#db.query(firingRuns.with(page), { level: 'linearizable' });
      await allDone(bySchedule(rows.map(runOf)).map((runs) => this.#deliverInOrder(runs)));
      const last = rows.at(-1);
      if (last === undefined || rows.length < limits.schedulesPerLook) return;
      after = integer(last, 'seq');
    }
  }

  /** The job of one run. Rejects with what the submit says against it; the run then counts as failed. */
  async deliver(run: FiringRun): Promise<Job> {
    if (run.replaces !== null) await this.#cancel(run.replaces, run.schedule);
    const waitsFor = run.waits ? await this.#earlierJobs(run.id) : [];
    try {
      const job = await this.#jobs.submit({ ...run.job, id: run.id }, undefined, waitsFor);
      await this.#settle(run, 'fired', null);
      return job;
    } catch (error) {
      const refusal = asBlixardError(error);
      if (isRefusal(refusal)) await this.#settle(run, 'failed', refusal.message);
      throw refusal;
    }
  }

  /** Of one schedule: those that wait find the jobs they wait for. */
  async #deliverInOrder(runs: readonly FiringRun[]): Promise<void> {
    for (const run of runs) await this.#deliverOrTell(run);
  }

  async #earlierJobs(id: string): Promise<string[]> {
    const page = { id, limit: limits.scheduleRunsKept };
    const rows = await this.#db.query(earlierJobs.with(page), { level: 'linearizable' });
    return rows.map((row) => text(row, 'id'));
  }

  async #deliverOrTell(run: FiringRun): Promise<void> {
    try {
      await this.deliver(run);
    } catch (error) {
      // The id is of this slot alone: another node has submitted it, from the job as it was then.
      if (isBlixardError(error, 'JOB_ID_CONFLICT')) return await this.#settle(run, 'fired', null);
      const refusal = asBlixardError(error);
      if (!isRefusal(refusal)) throw error;
      this.#log.warn({ err: refusal, schedule: run.schedule }, 'the job of a schedule is refused');
    }
  }

  async #settle(run: FiringRun, outcome: 'fired' | 'failed', message: string | null): Promise<void> {
    const { id, schedule: name } = run;
    await this.#db.batch([
      settleRun.with({ id, outcome, message, nowMs: this.#clock.nowMs() }),
      forgetRuns.with({ name, keep: limits.scheduleRunsKept }),
    ]);
  }

  async #cancel(jobId: string, schedule: string): Promise<void> {
    try {
      const reason = `replaced by the next job of schedule ${schedule}`;
      await this.#jobs.cancel(jobId, reason, `schedule:${schedule}`);
    } catch (error) {
      // It has ended by itself, or is forgotten.
      if (isBlixardError(error, 'JOB_INVALID_TRANSITION') || isBlixardError(error, 'JOB_NOT_FOUND')) return;
      throw error;
    }
  }
}

/** It would fail again, and must not hold up other runs; a taken id says nothing against the job. */
function isRefusal(error: BlixardError): boolean {
  return error.entry.fault !== 'transient' && error.code !== 'JOB_ID_CONFLICT';
}

function bySchedule(runs: readonly FiringRun[]): FiringRun[][] {
  const lists = new Map<string, FiringRun[]>();
  for (const run of runs) {
    const list = lists.get(run.schedule);
    if (list === undefined) lists.set(run.schedule, [run]);
    else list.push(run);
  }
  return [...lists.values()];
}

function runOf(row: Row): FiringRun {
  return {
    id: text(row, 'id'),
    schedule: text(row, 'schedule'),
    job: json<SubmitJob>(row, 'job'),
    replaces: textOrNull(row, 'replaces'),
    waits: integer(row, 'waits') === 1,
  };
}
