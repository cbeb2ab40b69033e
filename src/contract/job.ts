/** Jobs on the wire: what a user submits, and what is told of a job and its attempts. */
import { defaults } from '../domain/defaults.ts';
import { eventKinds } from '../domain/event-kinds.ts';
import { uuidPattern } from '../domain/ids.ts';
import { endReasonNames, jobMachine } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import { backoffOver, defaultBackoff } from '../domain/retry.ts';
import { guestLimits, guestLimitsOf } from './guest-limits.ts';
import { Progress, tellOptions, tellOptionsOf } from './result.ts';
import { Backoff } from './retry-policy.ts';
import { absolutePathPattern, nullable, oneOf, strict, textPattern, timeMs, wholeNumber } from './schema.ts';
import { submitOptions, submitOptionsOf } from './submit-options.ts';
import { type Static, Type } from './typebox.ts';

export const pathPattern = absolutePathPattern;
export const envNamePattern = '^[A-Za-z_][A-Za-z0-9_]{0,127}$';
export const base64Pattern = '^[A-Za-z0-9+/]*={0,2}$';
export const namePattern = '^[a-z0-9][a-z0-9._-]{0,63}$';
export const imagePattern = '^[a-z0-9][a-z0-9._-]{0,63}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,63})?$';

export const JobId = Type.String({ pattern: uuidPattern, description: 'UUID version 7' });

const specFields = {
  command: Type.Array(Type.String({ pattern: textPattern, maxLength: limits.argBytes }), {
    minItems: 1,
    maxItems: limits.argvEntries,
    description: 'program and arguments',
  }),
  image: Type.String({ pattern: imagePattern, default: defaults.image, description: 'name or name:tag' }),
  env: Type.Record(
    Type.String({ pattern: envNamePattern }),
    Type.String({ pattern: textPattern, maxLength: limits.argBytes }),
    { maxProperties: limits.envEntries, additionalProperties: false, default: {} },
  ),
  cwd: Type.String({ pattern: pathPattern, maxLength: limits.pathLength, default: defaults.cwd }),
  uid: Type.Integer({ minimum: 0, maximum: limits.uidMax, default: 0 }),
  stdinBase64: Type.String({
    pattern: base64Pattern,
    maxLength: Math.ceil(limits.stdinBytes / 3) * 4,
    default: '',
    description: 'bytes given to the command on its standard input, base64',
  }),
  queue: Type.String({ pattern: namePattern, default: defaults.queue }),
  executor: Type.String({ pattern: namePattern, default: defaults.executor }),
  memoryMiB: Type.Integer({
    minimum: limits.memoryMiBMin,
    maximum: limits.memoryMiBMax,
    default: defaults.memoryMiB,
  }),
  vcpus: Type.Integer({ minimum: 1, maximum: limits.vcpusMax, default: defaults.vcpus }),
  timeoutMs: Type.Integer({
    minimum: limits.timeoutMsMin,
    maximum: limits.timeoutMsMax,
    default: defaults.timeoutMs,
  }),
  attemptsMax: Type.Integer({ minimum: 1, maximum: limits.attemptsMax, default: defaults.attemptsMax }),
};

const ConcurrencyKey = Type.Optional(
  Type.String({
    pattern: textPattern,
    minLength: 1,
    maxLength: limits.concurrencyKeyLength,
    description: 'jobs of one queue with the same key share its concurrencyMaxPerKey',
  }),
);

/** A job's spec, every default filled in. It never changes after submit. */
export const JobSpec = strict({
  ...specFields,
  backoff: Backoff,
  concurrencyKey: ConcurrencyKey,
  ...guestLimits,
  ...tellOptions,
  ...submitOptions,
});
export type JobSpec = Static<typeof JobSpec>;

/** What a user submits. Only `command` is needed; `id` makes the call safe to repeat. */
export const SubmitJob = strict({
  id: Type.Optional(JobId),
  command: specFields.command,
  image: Type.Optional(specFields.image),
  env: Type.Optional(specFields.env),
  cwd: Type.Optional(specFields.cwd),
  uid: Type.Optional(specFields.uid),
  stdinBase64: Type.Optional(specFields.stdinBase64),
  queue: Type.Optional(specFields.queue),
  executor: Type.Optional(specFields.executor),
  memoryMiB: Type.Optional(specFields.memoryMiB),
  vcpus: Type.Optional(specFields.vcpus),
  timeoutMs: Type.Optional(specFields.timeoutMs),
  attemptsMax: Type.Optional(specFields.attemptsMax),
  backoff: Type.Optional(Type.Partial(Backoff, { additionalProperties: false })),
  concurrencyKey: ConcurrencyKey,
  ...guestLimits,
  ...tellOptions,
  ...submitOptions,
});
export type SubmitJob = Static<typeof SubmitJob>;

/** A submission with every default filled in. */
export function specOf(submit: SubmitJob): JobSpec {
  return {
    command: submit.command,
    image: submit.image ?? defaults.image,
    env: submit.env ?? {},
    cwd: submit.cwd ?? defaults.cwd,
    uid: submit.uid ?? 0,
    stdinBase64: submit.stdinBase64 ?? '',
    queue: submit.queue ?? defaults.queue,
    executor: submit.executor ?? defaults.executor,
    memoryMiB: submit.memoryMiB ?? defaults.memoryMiB,
    vcpus: submit.vcpus ?? defaults.vcpus,
    timeoutMs: submit.timeoutMs ?? defaults.timeoutMs,
    attemptsMax: submit.attemptsMax ?? defaults.attemptsMax,
    backoff: backoffOver(defaultBackoff, submit.backoff),
    ...(submit.concurrencyKey === undefined ? {} : { concurrencyKey: submit.concurrencyKey }),
    ...guestLimitsOf(submit),
    ...tellOptionsOf(submit),
    ...submitOptionsOf(submit),
    ...afterOf(submit),
  };
}

/** A job runs after its inputs, too. */
function afterOf({ after = [], inputs = [] }: SubmitJob): Pick<JobSpec, 'after'> {
  return inputs.length === 0 ? {} : { after: [...new Set([...after, ...inputs])] };
}

/** The ways to a VM, the fastest first. */
export const vmStarts = ['service', 'pool', 'restore', 'boot'] as const;

/** Facts about the VM that ran an attempt. */
export const VmFacts = strict({
  vmId: Type.String({ maxLength: limits.factLength }),
  hypervisor: Type.String({ maxLength: limits.factLength, description: 'driver, for example qemu' }),
  accel: Type.String({ maxLength: limits.factLength, description: 'kvm, or tcg (software emulation)' }),
  sandbox: Type.Optional(
    Type.String({
      maxLength: limits.factLength,
      description:
        'what its VMM was locked in with beside its own filter of system calls: bubblewrap, or none',
    }),
  ),
  start: oneOf(vmStarts, { description: 'how the VM came to be at hand; service: it had served other jobs' }),
  startReason: Type.Optional(
    Type.String({
      maxLength: limits.reasonLength,
      description: 'why not in a faster way, where there is one',
    }),
  ),
  bootMs: wholeNumber(0, { description: 'how long it took until the agent could be given the command' }),
  image: Type.String({ maxLength: limits.factLength, description: 'digest of the image' }),
  hostCpuMs: Type.Optional(wholeNumber(0, { description: 'CPU time of the VMM until its command ended' })),
  hostMemoryPeakKiB: Type.Optional(wholeNumber(0, { description: 'most memory the VMM had by then' })),
  jobsServed: Type.Optional(wholeNumber(0, { description: 'jobs that a service VM had served before' })),
  zygote: Type.Optional(
    Type.Boolean({
      description: 'whether an interpreter that ran already took the command; only where the image has such',
    }),
  ),
});
export type VmFacts = Static<typeof VmFacts>;

/** What the guest measured of the command. */
export const Usage = strict({
  wallMs: wholeNumber(0),
  cpuMs: wholeNumber(0),
  memoryPeakKiB: wholeNumber(0),
});
export type Usage = Static<typeof Usage>;

export const EndReason = oneOf(endReasonNames);

export const Attempt = strict({
  jobId: JobId,
  attempt: wholeNumber(1),
  state: oneOf(['claimed', 'running', 'ended']),
  workerId: Type.String(),
  memoryMiB: wholeNumber(1, { description: 'of its VM' }),
  claimedAtMs: timeMs,
  startedAtMs: nullable(timeMs),
  endedAtMs: nullable(timeMs),
  reason: nullable(EndReason),
  exitCode: nullable(Type.Integer({ minimum: 0, maximum: 255 })),
  signal: nullable(Type.Integer({ minimum: 1, maximum: 64 })),
  message: nullable(Type.String({ description: 'what happened, in words' })),
  vm: nullable(VmFacts),
  usage: nullable(Usage),
  logBytes: wholeNumber(0, { description: 'bytes of output the command wrote' }),
  logMissingBytes: wholeNumber(0, { description: 'bytes of it that were not kept' }),
});
export type Attempt = Static<typeof Attempt>;

export const Job = strict({
  id: JobId,
  state: oneOf(jobMachine.states),
  spec: JobSpec,
  attempt: wholeNumber(0, { description: 'number of the newest attempt; 0 before the first' }),
  attemptsUsed: wholeNumber(0, { description: 'attempts that count against attemptsMax' }),
  attemptsUsedByReason: Type.Record(Type.String(), wholeNumber(1), {
    description:
      'attempts that ended for a reason with an attemptsMax of its own in spec.retry; the others are not here',
  }),
  infraFailures: wholeNumber(0, {
    description: 'newest attempts in a row that failed through no fault of the job',
  }),
  memoryMiB: wholeNumber(1, {
    description: 'of its next or newest VM; more than in the spec after oom, where spec.retry says so',
  }),
  reason: nullable(EndReason),
  exitCode: nullable(Type.Integer({ minimum: 0, maximum: 255 })),
  signal: nullable(Type.Integer({ minimum: 1, maximum: 64 })),
  message: nullable(Type.String()),
  workerId: nullable(Type.String()),
  createdAtMs: timeMs,
  updatedAtMs: timeMs,
  runAtMs: timeMs,
  expiresAtMs: nullable(timeMs),
  startedAtMs: nullable(timeMs),
  endedAtMs: nullable(timeMs),
  cancelRequestedAtMs: nullable(timeMs),
  cancelReason: nullable(Type.String()),
  cancelledBy: nullable(Type.String({ description: 'who, as it was told; or for example schedule:NAME' })),
  progress: nullable(Progress),
  waiting: nullable(
    Type.String({
      description: 'why a pending, claimed, blocked or backed-off job does not start, in words',
    }),
  ),
});
export type Job = Static<typeof Job>;

export const JobPage = strict({
  jobs: Type.Array(Job),
  nextCursor: nullable(Type.String({ description: 'give it as cursor for the next page' })),
});
export type JobPage = Static<typeof JobPage>;

export const AttemptPage = strict({ attempts: Type.Array(Attempt) });

export const JobEvent = strict({
  seq: wholeNumber(1, { description: 'gapless' }),
  atMs: timeMs,
  kind: Type.String({
    enum: [...eventKinds],
    description: 'docs/events.md tells when, and what the data are',
  }),
  jobId: nullable(Type.String()),
  attempt: nullable(Type.Integer()),
  workerId: nullable(Type.String()),
  data: Type.Record(Type.String(), Type.Unknown()),
});
export type JobEvent = Static<typeof JobEvent>;

export const EventPage = strict({
  events: Type.Array(JobEvent),
  nextCursor: nullable(Type.String()),
});
export type EventPage = Static<typeof EventPage>;
