/** Stores submitted jobs, each in one atomic batch, and says what stands in the way of one that was not stored. */
import { isDeepStrictEqual } from 'node:util';
import type { Job, JobSpec, SubmitJob } from '../../contract/job.ts';
import { BlixardError, type ErrorCode } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Ids } from '../../platform/random.ts';
import type { Database, Result, Row, Statement } from '../../store/database.ts';
import { integer, json, text } from '../../store/statements/columns.ts';
import { insertJob, insertJobData, jobById } from '../../store/statements/jobs.ts';
import {
  cancelReplaced,
  imageAllowed,
  jobByIdempotencyKey,
  postpone,
  uniqueHolder,
} from '../../store/statements/submit.ts';
import { knownImages } from '../../store/statements/workers.ts';
import type { Signals } from '../signals.ts';
import { jobOf, jobStateOf } from '../views.ts';
import { type Draft, draftOf, submittedJob } from './draft.ts';
import { tellReady, tellTimes } from './tell-drafts.ts';

/** Image names told when a job asks for an unknown one. */
const imagesShown = 20;

/** What a submit works with. */
export interface SubmitDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly signals: Signals;
}

/** Submits of single jobs. */
export class Submits {
  readonly #deps: SubmitDeps;

  constructor(deps: SubmitDeps) {
    this.#deps = deps;
  }

  /** See `JobCommands.submit`. */
  async submit(body: SubmitJob, idempotencyKey?: string): Promise<Job> {
    const id = body.id ?? this.#deps.ids();
    for (let round = 0; round < limits.submitRounds; round++) {
      const draft = draftOf(body, { id, idempotencyKey, nowMs: this.#deps.clock.nowMs() });
      const job = (await this.#store(draft)) ?? (await this.#storedBefore(draft));
      if (job !== undefined) return job;
    }
    throw new BlixardError('OVERLOADED', { problem: 'what keeps the job out keeps changing' });
  }

  /** See `JobCommands.assertSubmittable`. */
  async assertSubmittable(body: SubmitJob): Promise<void> {
    const { clock, ids } = this.#deps;
    await this.#assertImage(draftOf(body, { id: ids(), idempotencyKey: undefined, nowMs: clock.nowMs() }));
  }

  /** The new job, or the one whose start it moved; undefined when something stands in its way. */
  async #store(draft: Draft): Promise<Job | undefined> {
    const write = this.#deps.db.batch([...makingRoom(draft), ...inserting(draft)]);
    tellReady(this.#deps.signals, [draft]);
    const results = await write;
    tellTimes(this.#deps.signals, [draft]);
    const room = draft.policy === 'replace' || draft.policy === 'debounce' ? rowOf(results[0]) : undefined;
    if (room !== undefined) this.#tellMadeRoom(room);
    if (results.at(-2)?.changes === 1) return submittedJob(draft);
    return room === undefined ? undefined : jobOf(room);
  }

  #tellMadeRoom(row: Row): void {
    const id = text(row, 'id');
    if (jobStateOf(row) === 'cancelled') this.#deps.signals.ended(id);
    else this.#deps.signals.changed(id);
    const { expires_at_ms: expiresAtMs } = row;
    if (typeof expiresAtMs === 'number') this.#deps.signals.due(expiresAtMs);
  }

  /**
   * What a job that could not be stored comes to: an earlier one, a refusal, or undefined when what stood in its
   * way is gone meanwhile.
   */
  async #storedBefore(draft: Draft): Promise<Job | undefined> {
    const { id, idempotencyKey } = draft.job;
    const byId = await this.#find(jobById.with({ id }));
    if (byId !== undefined) return sameJob(byId, draft.spec, 'JOB_ID_CONFLICT', { jobId: id });
    const byKey =
      idempotencyKey === null
        ? undefined
        : await this.#find(jobByIdempotencyKey.with({ key: idempotencyKey }));
    if (byKey !== undefined) {
      const details = { key: idempotencyKey, jobId: text(byKey, 'id') };
      return sameJob(byKey, draft.spec, 'IDEMPOTENCY_CONFLICT', details);
    }
    return this.#uniqueBefore(draft);
  }

  async #uniqueBefore({ job, spec, policy }: Draft): Promise<Job | undefined> {
    const { queue, uniqueKey: key } = job;
    const row = key === null ? undefined : await this.#find(uniqueHolder.with({ queue, key }));
    if (row !== undefined && policy === 'existing') return jobOf(row);
    await this.#assertImage({ job, spec });
    if (row === undefined) return undefined;
    throw new BlixardError('UNIQUE_CONFLICT', { jobId: text(row, 'id'), queue, key });
  }

  async #assertImage({ job, spec }: Pick<Draft, 'job' | 'spec'>): Promise<void> {
    const allowed = await this.#find(imageAllowed.with({ image: job.image }));
    if (allowed !== undefined && integer(allowed, 'fine') === 0)
      throw await imageUnknown(this.#deps.db, spec.image);
  }

  async #find(statement: Statement): Promise<Row | undefined> {
    const [row] = await this.#deps.db.query(statement, { level: 'linearizable' });
    return row;
  }
}

/** The error of a job that asks for an image no worker has. */
export async function imageUnknown(db: Database, image: string): Promise<BlixardError> {
  const rows = await db.query(knownImages.with({ limit: imagesShown }));
  return new BlixardError('IMAGE_UNKNOWN', {
    image,
    known: rows.map((row) => text(row, 'image')).join(', '),
  });
}

/** The job of a row when it has this spec. */
function sameJob(
  row: Row,
  spec: JobSpec,
  otherwise: ErrorCode,
  details: Readonly<Record<string, string | null>>,
): Job {
  if (isDeepStrictEqual(json<JobSpec>(row, 'spec'), spec)) return jobOf(row);
  throw new BlixardError(otherwise, details);
}

function makingRoom({ policy, job, nowMs }: Draft): Statement[] {
  if (policy === 'replace') return [cancelReplaced.with({ ...job, nowMs })];
  if (policy === 'debounce') return [postpone.with({ ...job, nowMs })];
  return [];
}

function inserting({ job, specText, nowMs }: Draft): Statement[] {
  return [insertJob.with({ ...job, nowMs }), insertJobData.with({ id: job.id, spec: specText })];
}

function rowOf(result: Result | undefined): Row | undefined {
  return result?.rows[0];
}
