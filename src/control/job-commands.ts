/** What users do to jobs: submit, cancel, retry; each one batch that touches one job by its id. */
import { isDeepStrictEqual } from 'node:util';
import { type Job, type JobSpec, type SubmitJob, specOf } from '../contract/job.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import type { Ids } from '../platform/random.ts';
import type { Database, Row } from '../store/database.ts';
import { integer, json, text } from '../store/statements/columns.ts';
import {
  cancelUnstarted,
  insertJob,
  insertJobData,
  jobById,
  requestCancel,
  retryJob,
} from '../store/statements/jobs.ts';
import { imageUsable, knownImages } from '../store/statements/workers.ts';
import { fullImageName } from './image-name.ts';
import { readJob, refusedStep, resolveJobId } from './job-rows.ts';
import type { Signals } from './signals.ts';
import { jobOf, jobStateOf } from './views.ts';

/** Image names told when a job asks for an unknown one. */
const imagesShown = 20;

/** The commands of users. Each may also reject with STORE_UNAVAILABLE. */
export class JobCommands {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #signals: Signals;

  constructor(deps: { db: Database; clock: Clock; ids: Ids; signals: Signals }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#ids = deps.ids;
    this.#signals = deps.signals;
  }

  /**
   * Stores a job; it is on disk when this resolves. With an id, the same call again gives the same job.
   * Throws SPEC_TOO_LARGE, IMAGE_UNKNOWN, JOB_ID_CONFLICT.
   */
  async submit(body: SubmitJob): Promise<Job> {
    const spec = specOf(body);
    const id = body.id ?? this.#ids();
    const write = this.#db.batch([
      insertJob.with({
        id,
        queue: spec.queue,
        executor: spec.executor,
        image: fullImageName(spec.image),
        attemptsMax: spec.attemptsMax,
        nowMs: this.#clock.nowMs(),
      }),
      insertJobData.with({ id, spec: specText(spec) }),
    ]);
    // Before the answer: the claim of a waiting worker then rides in the same commit.
    this.#signals.ready(spec.queue, spec.executor);
    const row = (await write)[0]?.rows[0];
    return row === undefined ? this.#submittedBefore(id, spec) : jobOf(row, spec);
  }

  /** Throws what `submit` says of this job as such, and stores nothing: SPEC_TOO_LARGE, IMAGE_UNKNOWN. */
  async assertSubmittable(body: SubmitJob): Promise<void> {
    const spec = specOf(body);
    specText(spec);
    const image = fullImageName(spec.image);
    const [row] = await this.#db.query(imageUsable.with({ image }), { level: 'linearizable' });
    if (row === undefined) throw await this.#imageUnknown(spec.image);
  }

  /**
   * Ends a job that does not run; asks the worker of a running one to stop it. Throws JOB_NOT_FOUND,
   * JOB_ID_AMBIGUOUS, and JOB_INVALID_TRANSITION for a job that has ended.
   */
  async cancel(idOrPrefix: string, reason: string | null = null): Promise<Job> {
    const id = await resolveJobId(this.#db, idOrPrefix);
    const values = { id, reason, nowMs: this.#clock.nowMs() };
    const results = await this.#db.batch([cancelUnstarted.with(values), requestCancel.with(values)]);
    const row = results[0]?.rows[0] ?? results[1]?.rows[0];
    if (row === undefined) return this.#cancelledBefore(id);
    this.#tellCancelled(row);
    return jobOf(row);
  }

  /**
   * Puts a failed or cancelled job back, due at once or after `delayMs`, with all its attempts allowed
   * anew. Throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_INVALID_TRANSITION.
   */
  async retry(idOrPrefix: string, delayMs = 0): Promise<Job> {
    const id = await resolveJobId(this.#db, idOrPrefix);
    const nowMs = this.#clock.nowMs();
    const state = delayMs > 0 ? 'scheduled' : 'pending';
    const values = { id, state, runAtMs: nowMs + delayMs, nowMs } as const;
    const row = (await this.#db.batch([retryJob.with(values)]))[0]?.rows[0];
    if (row === undefined) throw refusedStep(await readJob(this.#db, id), state);
    if (state === 'pending') this.#signals.ready(text(row, 'queue'), text(row, 'executor'));
    else this.#signals.due(values.runAtMs);
    this.#signals.changed(id);
    return jobOf(row);
  }

  /** Nothing was inserted: the id is taken, or the image is unknown. */
  async #submittedBefore(id: string, spec: JobSpec): Promise<Job> {
    const [row] = await this.#db.query(jobById.with({ id }), { level: 'linearizable' });
    if (row === undefined) throw await this.#imageUnknown(spec.image);
    if (isDeepStrictEqual(json<JobSpec>(row, 'spec'), spec)) return jobOf(row);
    throw new BlixardError('JOB_ID_CONFLICT', { jobId: id });
  }

  async #imageUnknown(image: string): Promise<BlixardError> {
    const rows = await this.#db.query(knownImages.with({ limit: imagesShown }));
    return new BlixardError('IMAGE_UNKNOWN', {
      image,
      known: rows.map((row) => text(row, 'image')).join(', '),
    });
  }

  /** Nothing was changed: fine when the running job is being stopped already. */
  async #cancelledBefore(id: string): Promise<Job> {
    const row = await readJob(this.#db, id);
    if (jobStateOf(row) === 'running' && row['cancel_requested_at_ms'] !== null) return jobOf(row);
    throw refusedStep(row, 'cancelled');
  }

  #tellCancelled(row: Row): void {
    const id = text(row, 'id');
    // A claim that was never started has this worker, too: it may be booting a VM for it.
    if (row['worker_id'] !== null)
      this.#signals.cancel(text(row, 'worker_id'), { jobId: id, attempt: integer(row, 'attempt') });
    if (jobStateOf(row) === 'cancelled') this.#signals.ended(id);
    else this.#signals.changed(id);
  }
}

/** The spec as it is stored. Throws SPEC_TOO_LARGE; standard input has a limit of its own. */
function specText(spec: JobSpec): string {
  const stored = JSON.stringify(spec);
  const bytes = Buffer.byteLength(stored) - spec.stdinBase64.length;
  if (bytes > limits.jobSpecBytes)
    throw new BlixardError('SPEC_TOO_LARGE', { bytes, maxBytes: limits.jobSpecBytes });
  return stored;
}
