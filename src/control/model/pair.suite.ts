/** The commands and their model side by side: each step is done to both, and then they must be alike. */
import { expect } from 'vitest';
import type { AttemptDone, ClaimedJob } from '../../contract/worker.ts';
import { defaults } from '../../domain/defaults.ts';
import { type Control, endOf, TestWorker } from '../control.suite.ts';
import { backoffBounds } from './backoff.suite.ts';
import type { Hooks } from './hooks.suite.ts';
import { Model } from './model.suite.ts';
import type { ModelJob } from './model-parts.suite.ts';
import { claimShaped, isShaped } from './shaped.suite.ts';
import { compareShapes } from './shapes.suite.ts';
import { groupsOf, tellChildren } from './together.suite.ts';
import { Turns } from './turns.suite.ts';
import { Waits } from './waits.suite.ts';

/** One thing that is done. A family of steps is an arbitrary of these, in a file of its own. */
export interface Step {
  readonly name: string;
  take(pair: Pair): Promise<void>;
}

/** A step of this name; its values stand beside it, for the report of a failure. */
export function step<V extends object>(
  name: string,
  take: (pair: Pair, values: V) => Promise<void>,
): (values: V) => Step {
  return (values) => ({ name, ...values, take: (pair) => take(pair, values) });
}

export const queueNames = ['default', 'other'] as const;

/** Both of them. */
export class Pair {
  readonly control: Control;
  readonly model = new Model();
  readonly turns = new Turns(this.model);
  readonly waits = new Waits();
  /** Of a run with webhooks. */
  hooks: Hooks | undefined;
  readonly #workers: TestWorker[] = [];

  constructor(control: Control) {
    this.control = control;
  }

  get nowMs(): number {
    return this.control.clock.nowMs();
  }

  async join(): Promise<void> {
    this.#workers.push(await TestWorker.join(this.control, { queues: [...queueNames] }));
    this.model.workers.push({ generation: 1, state: 'online', leaseUntilMs: 0 });
    this.renewed(this.#workers.length - 1);
  }

  worker(index: number): TestWorker {
    const worker = this.#workers[index];
    if (worker === undefined) throw new Error(`there is no worker ${index}`);
    return worker;
  }

  known(index: number): Model['workers'][number] {
    const known = this.model.workers[index];
    if (known === undefined) throw new Error(`there is no worker ${index}`);
    return known;
  }

  /** The job that was submitted so many jobs ago, counted round and round; undefined when there is none. */
  job(index: number): ModelJob | undefined {
    const { jobs } = this.model;
    return jobs.at(-1 - (index % Math.max(1, jobs.length)));
  }

  renewed(index: number): void {
    this.known(index).leaseUntilMs = this.nowMs + defaults.leaseMs;
  }

  report({ id, attempt }: ModelJob, end: Partial<AttemptDone>, number = attempt): AttemptDone {
    return endOf({ jobId: id, attempt: number }, end);
  }

  async refused(call: Promise<unknown>, code: string): Promise<void> {
    await expect(call).rejects.toMatchObject({ code });
  }

  /** A work call with at most one end in it. */
  async work(index: number, want: number, done: AttemptDone[], ended?: ModelJob): Promise<void> {
    const working = this.worker(index).work({ want, done });
    if (this.known(index).state === 'offline') return await this.refused(working, 'FENCED');
    const reply = await working;
    this.renewed(index);
    const { model } = this;
    for (const { reason, exitCode } of done) {
      if (ended === undefined) continue;
      if (reason === null) model.giveBack(ended, this.nowMs);
      else model.end(ended, { reason, exitCode }, this.nowMs);
    }
    if (ended?.state === 'scheduled') await this.#backOff(ended);
    expect(reply.fenced).toEqual([]);
    this.#compareClaims(index, want, reply.claimed);
    const stopping = model.heldBy(index, 'running').filter(({ cancelRequested }) => cancelRequested);
    expect(reply.cancel.map(({ jobId }) => jobId).sort()).toEqual(stopping.map(({ id }) => id).sort());
  }

  /** How long within its bounds is chance. */
  async #backOff(job: ModelJob): Promise<void> {
    job.runAtMs = (await this.control.queries.get(job.id)).runAtMs;
    const { leastMs, mostMs } = backoffBounds(job);
    expect(job.runAtMs - this.nowMs).toBeGreaterThanOrEqual(leastMs);
    expect(job.runAtMs - this.nowMs).toBeLessThanOrEqual(mostMs);
  }

  #compareClaims(index: number, want: number, got: readonly ClaimedJob[]): void {
    const { model } = this;
    const told = got.map(({ jobId, attempt, spec: { memoryMiB, inputs = [] } }) => ({
      ...{ jobId, attempt, memoryMiB, inputs },
    }));
    const ids = told.map(({ jobId }) => jobId);
    const shaped = isShaped(model, queueNames);
    if (shaped) expect(claimShaped(model, { worker: index, want, ids, nowMs: this.nowMs })).toEqual([]);
    const claimed = shaped
      ? ids.flatMap((id) => model.jobs.filter((job) => job.id === id))
      : model.claim(index, want, this.nowMs);
    this.turns.take(claimed);
    const expected = claimed.map(({ id, attempt, memoryMiB, inputs }) => ({
      ...{ jobId: id, attempt, memoryMiB, inputs: inputs.map((input) => input.id) },
    }));
    expect(told).toEqual(expected);
  }

  /** What follows by itself from a step. */
  async follow(): Promise<void> {
    await this.control.parentEnds.tellAll();
    tellChildren(this.model, this.nowMs);
  }

  async compare(): Promise<void> {
    expect(this.turns.look(this.nowMs)).toEqual([]);
    const rows = await this.control.db.query({
      sql: `SELECT id, state, attempt, attempts_used, infra_failures, run_at_ms, expires_at_ms, waits_for_key, reason,
          ended_at_ms, worker_id, coalesce(memory_mib, ${defaults.memoryMiB}) AS memory_mib,
          coalesce(used_by_reason, '{}') AS used_by_reason, cancel_requested_at_ms IS NOT NULL AS cancelled,
          cancel_reason, cancelled_by
        FROM jobs ORDER BY seq`,
    });
    const found = rows.map((row) => ({ ...row, worker_id: isHeldRow(row) ? row['worker_id'] : null }));
    expect(found).toEqual(this.model.jobs.map((job) => this.#rowOf(job)));
    await compareShapes(this.control.db, this.model, this.nowMs);
    const { groups } = await this.control.groups.list();
    const counts = Object.fromEntries(groups.map(({ name, counts: of }) => [name, of]));
    expect(counts).toEqual(groupsOf(this.model));
    await this.waits.compare(this.nowMs);
    await this.hooks?.compare(this.model);
  }

  #rowOf(job: ModelJob): object {
    return {
      id: job.id,
      state: job.state,
      attempt: job.attempt,
      attempts_used: job.attemptsUsed,
      infra_failures: job.infraFailures,
      run_at_ms: job.runAtMs,
      expires_at_ms: job.expiresAtMs,
      waits_for_key: job.waits ? 1 : 0,
      reason: job.reason,
      ended_at_ms: job.endedAtMs,
      memory_mib: job.memoryMiB,
      used_by_reason: JSON.stringify(job.usedByReason),
      worker_id: job.holder === undefined ? null : this.worker(job.holder.worker).id,
      cancelled: job.cancelRequested ? 1 : 0,
      cancel_reason: job.cancelWhy.reason,
      cancelled_by: job.cancelWhy.by,
    };
  }
}

function isHeldRow(row: Readonly<Record<string, unknown>>): boolean {
  return row['state'] === 'claimed' || row['state'] === 'running';
}
