/** A submission made ready to be stored: its spec with every default, its times, and its keys. */
import { type JobSpec, type SubmitJob, specOf } from '../../contract/job.ts';
import type { UniquePolicy } from '../../contract/submit-options.ts';
import { defaults } from '../../domain/defaults.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { BackoffPolicy } from '../../domain/retry.ts';
import { formatDurationMs } from '../../domain/units.ts';
import { diskMiBMax, memoryMiBForDisk } from '../../domain/vm-size.ts';
import type { NewJob } from '../../store/statements/jobs.ts';
import { badValue } from '../http/validation.ts';
import { fullImageName } from '../image-name.ts';

export interface Draft {
  readonly spec: JobSpec;
  /** The spec as it is stored. */
  readonly specText: string;
  readonly job: NewJob;
  /** What to do while another has the unique key; undefined without one. */
  readonly policy: UniquePolicy | undefined;
  /** Jobs that must end first, beside those of its spec; how they end means nothing to it. */
  readonly waitsFor: readonly string[];
}

interface Given {
  readonly id: string;
  readonly nowMs: number;
  readonly idempotencyKey?: string | undefined;
  readonly waitsFor?: readonly string[];
}

/** Throws SPEC_TOO_LARGE, JOB_CYCLE for a job that runs after itself, and VALIDATION_FAILED for what cannot be. */
export function draftOf(body: SubmitJob, given: Given): Draft {
  const { id, nowMs, idempotencyKey = null, waitsFor = [] } = given;
  const spec = specOf(body);
  const after = spec.after !== undefined && spec.after.length > 0 ? JSON.stringify(spec.after) : null;
  const waits = after !== null || waitsFor.length > 0;
  assertFamily(id, spec);
  assertMemoryGrows(spec);
  assertBackoffs(body);
  assertDiskFits(spec);
  assertIsolation(spec);
  assertTells(spec);
  const runAtMs = runAtMsOf(body, nowMs);
  return {
    spec,
    specText: specTextOf(spec),
    job: {
      id,
      queue: spec.queue,
      executor: spec.executor,
      image: fullImageName(spec.image),
      state: waits ? 'blocked' : runAtMs > nowMs ? 'scheduled' : 'pending',
      priority: spec.priority ?? 0,
      runAtMs,
      expiresAtMs: spec.expireInMs === undefined ? null : runAtMs + spec.expireInMs,
      idempotencyKey,
      uniqueKey: spec.unique?.key ?? null,
      tenant: spec.tenant ?? defaults.tenant,
      concurrencyKey: spec.concurrencyKey ?? null,
      attemptsMax: spec.attemptsMax,
      after,
      afterFailed: after !== null ? (spec.afterFailed ?? 'fail') : waits ? 'run' : null,
      groupName: spec.group ?? null,
      nowMs,
    },
    policy: spec.unique === undefined ? undefined : (spec.unique.policy ?? 'reject'),
    waitsFor,
  };
}

function assertFamily(id: string, { after, afterFailed }: JobSpec): void {
  if (after?.includes(id)) throw new BlixardError('JOB_CYCLE', { cycle: `${id} → ${id}` });
  if (after !== undefined && after.length > limits.parentsMax)
    throw badValue('inputs', `${after.length} jobs`, `at most ${limits.parentsMax} jobs with those of after`);
  if (after === undefined && afterFailed !== undefined)
    throw badValue('afterFailed', afterFailed, 'only with after or inputs');
}

/** A time gone by is now: being late buys no place in the line. */
function runAtMsOf({ delayMs, runAtMs }: SubmitJob, nowMs: number): number {
  if (runAtMs === undefined) return nowMs + (delayMs ?? 0);
  if (delayMs !== undefined) throw badValue('runAtMs', runAtMs, 'either runAtMs or delayMs, not both');
  const latestMs = nowMs + limits.delayMsMax;
  if (runAtMs > latestMs)
    throw badValue(
      'runAtMs',
      runAtMs,
      `at most ${formatDurationMs(limits.delayMsMax)} ahead, now that is ${latestMs}`,
    );
  return Math.max(nowMs, runAtMs);
}

/** A cap below the memory of the first attempt is a mistake. */
function assertMemoryGrows({ memoryMiB, retry }: JobSpec): void {
  const max = retry?.oom?.memoryMiBMax;
  if (max === undefined || max >= memoryMiB) return;
  throw badValue('retry.oom.memoryMiBMax', max, `at least memoryMiB, that is ${memoryMiB}`);
}

/** A cap below the delay it is told with is a mistake. */
function assertBackoffs({ backoff, retry }: SubmitJob): void {
  if (backoff !== undefined) assertCapFits('backoff', backoff);
  for (const [reason, rule] of Object.entries(retry ?? {}))
    if (rule.backoff !== undefined) assertCapFits(`retry.${reason}.backoff`, rule.backoff);
}

function assertCapFits(field: string, { delayMs = 0, delayMaxMs = delayMs }: Partial<BackoffPolicy>): void {
  if (delayMaxMs >= delayMs) return;
  throw badValue(`${field}.delayMaxMs`, delayMaxMs, `at least ${field}.delayMs, that is ${delayMs}`);
}

/** The disk lies in memory: more of it than the guest can hold could not be filled. */
function assertDiskFits({ diskMiB, memoryMiB }: JobSpec): void {
  const max = diskMiBMax(memoryMiB);
  if (diskMiB === undefined || diskMiB <= max) return;
  const needed = `${diskMiB} needs memoryMiB ${memoryMiBForDisk(diskMiB)}`;
  throw badValue('diskMiB', diskMiB, `at most ${max} with memoryMiB ${memoryMiB}; ${needed}`);
}

/** Only a microVM can keep it: in anything else the job would run in less than was asked for. */
function assertIsolation({ isolation, executor }: JobSpec): void {
  if (isolation === undefined || executor === defaults.executor) return;
  throw badValue('isolation', isolation, `only with executor ${defaults.executor}, not with ${executor}`);
}

/** A function sees no inputs, and leaves no files. */
function assertTells(spec: JobSpec): void {
  if (spec.executor !== defaults.functionExecutor) return;
  for (const field of ['inputs', 'artifacts'] as const) {
    const count = spec[field]?.length ?? 0;
    if (count === 0) continue;
    throw badValue(field, spec[field], `none with executor ${defaults.functionExecutor}`);
  }
}

function specTextOf(spec: JobSpec): string {
  const stored = JSON.stringify(spec);
  // Standard input has a limit of its own.
  const others = spec.stdinBase64.length;
  // A character is at most three bytes; only what may be too long need be measured.
  if (stored.length * 3 - others <= limits.jobSpecBytes) return stored;
  const bytes = Buffer.byteLength(stored) - others;
  if (bytes > limits.jobSpecBytes)
    throw new BlixardError('SPEC_TOO_LARGE', { bytes, maxBytes: limits.jobSpecBytes });
  return stored;
}
