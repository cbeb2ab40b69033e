/** Stores submitted jobs, each in one atomic batch, and says what stands in the way of one that was not stored. */
import { isDeepStrictEqual } from 'node:util';
import type { Job, JobSpec, SubmitJob } from '../../contract/job.ts';
import { BlixardError, type ErrorCode } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Ids } from '../../platform/random.ts';
import type { Database, Result, Row, Statement } from '../../store/database.ts';
import { answerExisting, answerOf, answerPostponed, forgetAnswer } from '../../store/statements/answers.ts';
import { integer, json, text } from '../../store/statements/columns.ts';
import { insertJob, insertJobData, jobById } from '../../store/statements/jobs.ts';
import { applyKeyPolicy } from '../../store/statements/key-policy.ts';
import {
  cancelReplaced,
  imageAllowed,
  jobByIdempotencyKey,
  postpone,
  uniqueHolder,
} from '../../store/statements/submit.ts';
import { insertWaits, unknownIds } from '../../store/statements/together.ts';
import { knownImages } from '../../store/statements/workers.ts';
import type { ForgetCommands } from '../forget-commands.ts';
import type { Signals } from '../signals.ts';
import { tellCancelled } from '../tell-cancelled.ts';
import { settling, tellSettled } from '../together/parent-ends.ts';
import { jobOf, jobStateOf } from '../views.ts';
import { type Draft, draftOf } from './draft.ts';
import { JoinedInserts } from './joined-inserts.ts';
import { submittedJob } from './new-job.ts';
import { specDigest } from './spec-digest.ts';
import { tellReady, tellTimes } from './tell-drafts.ts';

/** Image names told when a job asks for an unknown one. */
const imagesShown = 20;

/** What a submit works with. */
export interface SubmitDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly signals: Signals;
  /** Removes what is left of forgotten jobs, which keeps out new ones with their ids. */
  readonly forget?: Pick<ForgetCommands, 'filesGone'>;
}

/** Submits of single jobs. */
export class Submits {
  readonly #deps: SubmitDeps;
  readonly #joined: JoinedInserts;

  constructor(deps: SubmitDeps) {
    this.#deps = deps;
    this.#joined = new JoinedInserts(deps);
  }

  /** See `JobCommands.submit`. */
  async submit(body: SubmitJob, idempotencyKey?: string, waitsFor: readonly string[] = []): Promise<Job> {
    const id = body.id ?? this.#deps.ids();
    for (let round = 0; round < limits.submitRounds; round++) {
      const draft = draftOf(body, { id, idempotencyKey, waitsFor, nowMs: this.#joined.nowMs() });
      const job = (await this.#store(draft)) ?? (await this.#storedBefore(draft));
      if (job !== undefined) return job;
      const given = { id, key: draft.job.idempotencyKey };
      await this.#deps.db.batch([forgetAnswer.with(given)]);
    }
    throw new BlixardError('OVERLOADED', { problem: 'what keeps the job out keeps changing' });
  }

  /** See `JobCommands.assertSubmittable`. */
  async assertSubmittable(body: SubmitJob): Promise<void> {
    const { clock, ids } = this.#deps;
    const draft = draftOf(body, { id: ids(), idempotencyKey: undefined, nowMs: clock.nowMs() });
    await this.#assertImage(draft);
    await this.#assertParents(draft);
  }

  /** The new job, or the one whose start it moved; undefined when something stands in its way. */
  async #store(draft: Draft): Promise<Job | undefined> {
    if (isPlain(draft)) {
      const stored = await this.#joined.add(draft);
      tellTimes(this.#deps.signals, [draft]);
      return stored === 'new' ? submittedJob(draft, undefined) : undefined;
    }
    this.#joined.flush();
    const making = makingRoom(draft);
    const keeping = keepingKey([draft]);
    const before = [...making, ...answering(draft)];
    const write = this.#deps.db.batch([...before, ...inserting(draft), ...keeping]);
    tellReady(this.#deps.signals, [draft]);
    const results = await write;
    tellTimes(this.#deps.signals, [draft]);
    const room = making.length === 0 ? undefined : rowOf(results[0]);
    if (room !== undefined) this.#tellMadeRoom(room);
    const cancelled = keeping.length === 0 ? undefined : tellKeyPolicy(this.#deps.signals, results.slice(-1));
    if (results[before.length]?.changes === 1) {
      const waits = draft.job.state === 'blocked';
      const moved = waits ? await this.#settled(draft.job.id, results) : cancelled?.get(draft.job.id);
      return submittedJob(draft, moved);
    }
    return room === undefined ? undefined : jobOf(room);
  }

  /** The row of a new job whose parents had all ended, or one of them badly: it went on in the same write. */
  async #settled(id: string, results: readonly Result[]): Promise<Row | undefined> {
    tellSettled(this.#deps.signals, results);
    return await this.#find(jobById.with({ id }));
  }

  #tellMadeRoom(row: Row): void {
    if (jobStateOf(row) === 'cancelled') tellCancelled(this.#deps.signals, row);
    else this.#deps.signals.changed(text(row, 'id'));
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
    const answer = await this.#find(answerOf.with({ id, key: idempotencyKey }));
    return answer === undefined ? this.#uniqueBefore(draft) : sameAnswer(answer, draft);
  }

  async #uniqueBefore({ job, spec, policy }: Draft): Promise<Job | undefined> {
    const { id, queue, uniqueKey: key } = job;
    if (await this.#deps.forget?.filesGone([id])) return undefined;
    const row = key === null ? undefined : await this.#find(uniqueHolder.with({ queue, key }));
    // It has come after the look, which writes down what it finds.
    if (row !== undefined && policy === 'existing') return undefined;
    await this.#assertImage({ job, spec });
    await this.#assertParents({ job });
    if (row === undefined) return undefined;
    throw new BlixardError('UNIQUE_CONFLICT', { jobId: text(row, 'id'), queue, key });
  }

  async #assertImage({ job, spec }: Pick<Draft, 'job' | 'spec'>): Promise<void> {
    const allowed = await this.#find(imageAllowed.with({ image: job.image, executor: job.executor }));
    if (allowed !== undefined && integer(allowed, 'fine') === 0)
      throw await imageUnknown(this.#deps.db, spec.image);
  }

  async #assertParents({ job }: Pick<Draft, 'job'>): Promise<void> {
    if (job.after === null) return;
    const unknown = await this.#find(unknownIds.with({ ids: job.after }));
    if (unknown !== undefined) throw new BlixardError('PARENT_UNKNOWN', { parentId: text(unknown, 'id') });
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
    known: rows.map((row) => text(row, 'image')).join(', ') || 'none',
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

/** The job that a submit with the same id or key was answered with, when that asked for the same. */
function sameAnswer(row: Row, { job, spec }: Draft): Job {
  if (text(row, 'digest') === specDigest(spec)) return jobOf(row);
  if (text(row, 'submit_id') === job.id) throw new BlixardError('JOB_ID_CONFLICT', { jobId: job.id });
  throw new BlixardError('IDEMPOTENCY_CONFLICT', { key: job.idempotencyKey, jobId: text(row, 'id') });
}

/** For a job with a concurrency key: what the policy of its queue says when the key is full. */
export function keepingKey(drafts: readonly Draft[]): Statement[] {
  return drafts.flatMap(({ job }) =>
    job.concurrencyKey === null || job.state !== 'pending' ? [] : [applyKeyPolicy.with(job)],
  );
}

/** Tells of the jobs that such a policy ended, or asked to stop; gives their rows by id. */
export function tellKeyPolicy(signals: Signals, results: readonly Result[]): Map<string, Row> {
  const rows = results.flatMap((result) => result.rows);
  for (const row of rows) tellCancelled(signals, row);
  return new Map(rows.map((row) => [text(row, 'id'), row]));
}

/** Nothing but its own rows is written with it. */
function isPlain({ policy, job }: Draft): boolean {
  const isAlone = policy === undefined || policy === 'reject';
  return isAlone && job.state !== 'blocked' && job.concurrencyKey === null;
}

function makingRoom({ policy, job }: Draft): Statement[] {
  if (policy === 'replace') return [cancelReplaced.with(job)];
  return policy === 'debounce' ? [postpone.with(job)] : [];
}

/** Writes down that the submit is answered with the job that has its unique key, if it is. */
function answering({ policy, job, spec }: Draft): Statement[] {
  if (policy === 'existing') return [answerExisting.with({ ...job, digest: specDigest(spec) })];
  return policy === 'debounce' ? [answerPostponed.with({ ...job, digest: specDigest(spec) })] : [];
}

function inserting({ job, specText, waitsFor }: Draft): Statement[] {
  const stored = [insertJob.with(job), insertJobData.with({ id: job.id, spec: specText })];
  if (job.state !== 'blocked') return stored;
  const waiting =
    waitsFor.length === 0 ? [] : [insertWaits.with({ id: job.id, ids: JSON.stringify(waitsFor) })];
  return [...stored, ...waiting, ...settling([job.id], job.nowMs)];
}

function rowOf(result: Result | undefined): Row | undefined {
  return result?.rows[0];
}
