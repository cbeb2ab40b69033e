/** What users do to jobs: submit, cancel, retry; each one batch that touches one job by its id. */
import type { Job, SubmitJob } from '../contract/job.ts';
import { BlixardError } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Row } from '../store/database.ts';
import { integer, text } from '../store/statements/columns.ts';
import { cancelUnstarted, jobRetriedBy, requestCancel, retryJob } from '../store/statements/jobs.ts';
import { uniqueHolderOf } from '../store/statements/submit.ts';
import { readJob, refusedStep, resolveJobId } from './job-rows.ts';
import type { Signals } from './signals.ts';
import { BatchSubmits } from './submit/batch.ts';
import { type SubmitDeps, Submits } from './submit/submits.ts';
import { tellCancelled } from './tell-cancelled.ts';
import { jobOf, jobStateOf } from './views.ts';

/** What makes a retry one of a certain state of the job, and safe to repeat. */
export interface RetryOnce {
  /** Number of the newest attempt as the caller saw it. */
  readonly attempt?: number | undefined;
  /** The same again changes nothing more. */
  readonly idempotencyKey?: string | undefined;
}

/** The commands of users. Each may also reject with STORE_UNAVAILABLE. */
export class JobCommands {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #submits: Submits;
  readonly #batches: BatchSubmits;
  readonly #signals: Signals;

  constructor(deps: SubmitDeps) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#submits = new Submits(deps);
    this.#batches = new BatchSubmits(deps);
    this.#signals = deps.signals;
  }

  /**
   * Stores a job; it is on disk when this resolves. With an id, or an idempotency key, the same call again gives the
   * same job. Throws SPEC_TOO_LARGE, IMAGE_UNKNOWN, PARENT_UNKNOWN, JOB_CYCLE, JOB_ID_CONFLICT,
   * IDEMPOTENCY_CONFLICT, UNIQUE_CONFLICT. It waits for the end of the jobs `waitsFor` that are still there, whatever
   * end that is.
   */
  submit(body: SubmitJob, idempotencyKey?: string, waitsFor?: readonly string[]): Promise<Job> {
    return this.#submits.submit(body, idempotencyKey, waitsFor);
  }

  /**
   * Stores all of these jobs or none, and gives them in their order. With ids, the same call again gives the same
   * jobs. Throws BATCH_LINE_REFUSED.
   */
  submitAll(bodies: readonly SubmitJob[]): Promise<Job[]> {
    return this.#batches.submit(bodies);
  }

  /** Throws what `submit` says of this job as such (SPEC_TOO_LARGE, IMAGE_UNKNOWN, PARENT_UNKNOWN); stores nothing. */
  assertSubmittable(body: SubmitJob): Promise<void> {
    return this.#submits.assertSubmittable(body);
  }

  /**
   * Ends a job that does not run; asks the worker of a running one to stop it. Who and why are kept as they are told
   * first; the same again gives the job as it is. Throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, and JOB_INVALID_TRANSITION
   * for a job that has ended otherwise.
   */
  async cancel(idOrPrefix: string, reason: string | null = null, by: string | null = null): Promise<Job> {
    const id = await resolveJobId(this.#db, idOrPrefix);
    const values = { id, reason, by, nowMs: this.#clock.nowMs() };
    const results = await this.#db.batch([cancelUnstarted.with(values), requestCancel.with(values)]);
    const row = results[0]?.rows[0] ?? results[1]?.rows[0];
    if (row === undefined) return this.#cancelledBefore(id);
    tellCancelled(this.#signals, row);
    return jobOf(row);
  }

  /**
   * Puts a failed or cancelled job back, due at once or after `delayMs`, with all its attempts allowed
   * anew; of the jobs it runs after it waits for those that have not ended. The key of its newest retry gives the job
   * as it is. Throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_CHANGED, JOB_INVALID_TRANSITION, UNIQUE_CONFLICT.
   */
  async retry(idOrPrefix: string, delayMs = 0, once: RetryOnce = {}): Promise<Job> {
    const id = await resolveJobId(this.#db, idOrPrefix);
    const nowMs = this.#clock.nowMs();
    const state = delayMs > 0 ? 'scheduled' : 'pending';
    const { attempt = null, idempotencyKey: key = null } = once;
    const values = { id, state, runAtMs: nowMs + delayMs, attempt, key, nowMs } as const;
    const row = (await this.#db.batch([retryJob.with(values)]))[0]?.rows[0];
    if (row === undefined) return this.#retriedBefore(values);
    // It is blocked when a job it runs after has not ended.
    if (jobStateOf(row) === 'pending') this.#signals.ready(text(row, 'queue'), text(row, 'executor'));
    else this.#signals.due(values.runAtMs);
    this.#signals.changed(id);
    return jobOf(row);
  }

  /** Nothing was changed: fine when the same call has done it before. */
  async #retriedBefore(asked: {
    readonly id: string;
    readonly state: 'pending' | 'scheduled';
    readonly attempt: number | null;
    readonly key: string | null;
  }): Promise<Job> {
    const { id, state, attempt, key } = asked;
    const before =
      key === null ? [] : await this.#db.query(jobRetriedBy.with({ id, key }), { level: 'linearizable' });
    if (before[0] !== undefined) return jobOf(before[0]);
    const row = await readJob(this.#db, id);
    const found = integer(row, 'attempt');
    if (attempt !== null && attempt !== found)
      throw new BlixardError('JOB_CHANGED', { jobId: id, found, attempt });
    throw await this.#refusedRetry(row, state);
  }

  /** Another job may have its unique key by now. */
  async #refusedRetry(row: Row, state: 'pending' | 'scheduled'): Promise<BlixardError> {
    const refused = refusedStep(row, state);
    if (refused.code !== 'OVERLOADED') return refused;
    const [other] = await this.#db.query(uniqueHolderOf.with({ id: text(row, 'id') }), {
      level: 'linearizable',
    });
    if (other === undefined) return refused;
    const [jobId, queue, key] = [text(other, 'id'), text(other, 'queue'), text(other, 'unique_key')];
    return new BlixardError('UNIQUE_CONFLICT', { jobId, queue, key });
  }

  /** Nothing was changed: fine when the job is cancelled, or its command is being stopped already. */
  async #cancelledBefore(id: string): Promise<Job> {
    const row = await readJob(this.#db, id);
    if (jobStateOf(row) === 'cancelled') return jobOf(row);
    if (jobStateOf(row) === 'running' && row['cancel_requested_at_ms'] !== null) return jobOf(row);
    throw refusedStep(row, 'cancelled');
  }
}
