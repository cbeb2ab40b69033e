/** A submission made ready to be stored: its spec with every default, its times, and its keys. */
import { type Job, type JobSpec, type SubmitJob, specOf } from '../../contract/job.ts';
import type { UniquePolicy } from '../../contract/submit-options.ts';
import { BlixardError } from '../../domain/errors.ts';
import { defaults, limits } from '../../domain/limits.ts';
import type { NewJob } from '../../store/statements/jobs.ts';
import { fullImageName } from '../image-name.ts';

export interface Draft {
  readonly spec: JobSpec;
  /** The spec as it is stored. */
  readonly specText: string;
  readonly job: NewJob;
  readonly nowMs: number;
  /** What to do while another has the unique key; undefined without one. */
  readonly policy: UniquePolicy | undefined;
}

/** Throws SPEC_TOO_LARGE, and VALIDATION_FAILED for times that cannot be. */
export function draftOf(
  body: SubmitJob,
  given: { readonly id: string; readonly nowMs: number; readonly idempotencyKey?: string | undefined },
): Draft {
  const { id, nowMs, idempotencyKey = null } = given;
  const spec = specOf(body);
  const runAtMs = runAtMsOf(body, nowMs);
  return {
    spec,
    specText: specTextOf(spec),
    job: {
      id,
      queue: spec.queue,
      executor: spec.executor,
      image: fullImageName(spec.image),
      state: runAtMs > nowMs ? 'scheduled' : 'pending',
      priority: spec.priority ?? 0,
      runAtMs,
      expiresAtMs: spec.expireInMs === undefined ? null : runAtMs + spec.expireInMs,
      idempotencyKey,
      uniqueKey: spec.unique?.key ?? null,
      tenant: spec.tenant ?? defaults.tenant,
      concurrencyKey: spec.concurrencyKey ?? null,
      attemptsMax: spec.attemptsMax,
    },
    nowMs,
    policy: spec.unique === undefined ? undefined : (spec.unique.policy ?? 'reject'),
  };
}

/** The job of a draft, right after it was stored: that need not be read back. */
export function submittedJob({ job, spec, nowMs }: Draft): Job {
  return {
    id: job.id,
    state: job.state,
    spec,
    ...{ attempt: 0, attemptsUsed: 0, infraFailures: 0 },
    ...{ reason: null, exitCode: null, signal: null, message: null, workerId: null },
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    runAtMs: job.runAtMs,
    expiresAtMs: job.expiresAtMs,
    ...{ startedAtMs: null, endedAtMs: null, cancelRequestedAtMs: null, cancelReason: null, waiting: null },
  };
}

/** A time gone by is now: being late buys no place in the line. */
function runAtMsOf({ delayMs, runAtMs }: SubmitJob, nowMs: number): number {
  if (runAtMs === undefined) return nowMs + (delayMs ?? 0);
  if (delayMs !== undefined) throw badTime('give either runAtMs or delayMs');
  if (runAtMs > nowMs + limits.delayMsMax)
    throw badTime(
      `is ${runAtMs}; allowed: at most ${limits.delayMsMax} ms ahead, now that is ${nowMs + limits.delayMsMax}`,
    );
  return Math.max(nowMs, runAtMs);
}

function badTime(problem: string): BlixardError {
  return new BlixardError('VALIDATION_FAILED', { field: 'runAtMs', problem });
}

function specTextOf(spec: JobSpec): string {
  const stored = JSON.stringify(spec);
  // Standard input has a limit of its own.
  const bytes = Buffer.byteLength(stored) - spec.stdinBase64.length;
  if (bytes > limits.jobSpecBytes)
    throw new BlixardError('SPEC_TOO_LARGE', { bytes, maxBytes: limits.jobSpecBytes });
  return stored;
}
