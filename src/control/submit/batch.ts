/** Stores many submitted jobs in one atomic batch, and says on which line one stands that cannot be stored. */
import { isDeepStrictEqual } from 'node:util';
import type { Job, JobSpec, SubmitJob } from '../../contract/job.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Row } from '../../store/database.ts';
import { insertJobs, insertJobsData, jobsByIds, obstacles } from '../../store/statements/batch.ts';
import { integer, json, text, textOrNull } from '../../store/statements/columns.ts';
import { jobOf } from '../views.ts';
import { forEachLine, refusedLine } from './batch-line.ts';
import { type Draft, draftOf, submittedJob } from './draft.ts';
import { imageUnknown, type SubmitDeps } from './submits.ts';
import { tellReady, tellTimes } from './tell-drafts.ts';

/** Submits of many jobs at once. */
export class BatchSubmits {
  readonly #deps: SubmitDeps;

  constructor(deps: SubmitDeps) {
    this.#deps = deps;
  }

  /** See `JobCommands.submitAll`. */
  async submit(bodies: readonly SubmitJob[]): Promise<Job[]> {
    const ids = bodies.map((body) => body.id ?? this.#deps.ids());
    for (let round = 0; round < limits.submitRounds; round++) {
      const nowMs = this.#deps.clock.nowMs();
      const drafts = forEachLine(bodies, (body, index) => draftOf(body, { id: ids[index] ?? '', nowMs }));
      assertApart(drafts);
      const jobs = (await this.#store(drafts, nowMs)) ?? (await this.#storedBefore(drafts));
      if (jobs !== undefined) return jobs;
    }
    throw new BlixardError('OVERLOADED', { problem: 'what keeps the batch out keeps changing' });
  }

  async #store(drafts: readonly Draft[], nowMs: number): Promise<Job[] | undefined> {
    const jobs = listOf(drafts);
    const specs = specsOf(drafts);
    const write = this.#deps.db.batch([insertJobs.with({ jobs, nowMs }), insertJobsData.with({ specs })]);
    tellReady(this.#deps.signals, drafts);
    const stored = (await write)[0]?.changes ?? 0;
    if (stored === 0) return undefined;
    tellTimes(this.#deps.signals, drafts);
    return drafts.map(submittedJob);
  }

  /** The same jobs when they are all there: the answer was lost. Undefined when nothing is in the way any more. */
  async #storedBefore(drafts: readonly Draft[]): Promise<Job[] | undefined> {
    const found = await this.#deps.db.query(obstacles.with({ jobs: listOf(drafts) }), {
      level: 'linearizable',
    });
    if (found.every((row) => integer(row, 'taken') === 1)) return this.#sameJobs(drafts);
    for (const [index, row] of found.entries()) {
      const draft = drafts[index];
      if (draft !== undefined) await this.#assertFree(draft, row, index);
    }
    return undefined;
  }

  async #sameJobs(drafts: readonly Draft[]): Promise<Job[]> {
    const ids = JSON.stringify(drafts.map(({ job }) => job.id));
    const rowOf = byId(await this.#deps.db.query(jobsByIds.with({ ids }), { level: 'linearizable' }));
    return drafts.map(({ job, spec }, index) => {
      const row = rowOf(job.id);
      if (isDeepStrictEqual(json<JobSpec>(row, 'spec'), spec)) return jobOf(row);
      throw refusedLine(index, 'JOB_ID_CONFLICT', `Job ${job.id} exists already with another spec.`);
    });
  }

  async #assertFree({ job, spec }: Draft, row: Row, index: number): Promise<void> {
    if (integer(row, 'taken') === 1)
      throw refusedLine(index, 'JOB_ID_CONFLICT', `Job ${job.id} exists already.`);
    const jobId = textOrNull(row, 'holder');
    const details = { jobId, queue: job.queue, key: job.uniqueKey };
    const error =
      jobId !== null
        ? new BlixardError('UNIQUE_CONFLICT', details)
        : integer(row, 'fine') === 0
          ? await imageUnknown(this.#deps.db, spec.image)
          : undefined;
    if (error !== undefined) throw refusedLine(index, error.code, error.message, error);
  }
}

/** Two lines may not ask for the same place. */
function assertApart(drafts: readonly Draft[]): void {
  const seen = new Map<string, number>();
  const claim = (what: string, key: string, index: number): void => {
    const before = seen.get(key);
    if (before !== undefined)
      throw refusedLine(index, 'VALIDATION_FAILED', `${what} stands on line ${before + 1}, too.`);
    seen.set(key, index);
  };
  for (const [index, { job, policy }] of drafts.entries()) {
    claim(`The id ${job.id}`, `id ${job.id}`, index);
    if (job.uniqueKey === null) continue;
    if (policy !== 'reject')
      throw refusedLine(index, 'VALIDATION_FAILED', 'unique.policy: in a batch only reject is allowed.');
    claim(`The unique key ${job.uniqueKey}`, `unique ${job.queue} ${job.uniqueKey}`, index);
  }
}

function listOf(drafts: readonly Draft[]): string {
  return JSON.stringify(drafts.map(({ job }) => job));
}

/** They go as text, so that they are stored as they were written. */
function specsOf(drafts: readonly Draft[]): string {
  return JSON.stringify(drafts.map(({ job, specText }) => [job.id, specText]));
}

function byId(rows: readonly Row[]): (id: string) => Row {
  const found = new Map(rows.map((row) => [text(row, 'id'), row]));
  return (id) => {
    const row = found.get(id);
    if (row === undefined) throw new BlixardError('INTERNAL', { problem: `job ${id} is not in the answer` });
    return row;
  };
}
