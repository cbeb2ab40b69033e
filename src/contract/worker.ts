/** Workers on the wire: registration, the one call that does a worker's work, and what is told of workers. */
import { uuidPattern } from '../domain/ids.ts';
import { attemptReasonNames } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import { imagePattern, JobId, JobSpec, namePattern, Usage, VmFacts } from './job.ts';
import { nullable, oneOf, strict, textPattern, timeMs, wholeNumber } from './schema.ts';
import { type Static, Type } from './typebox.ts';
import { JobsLacking, VmReports, VmStops } from './vm.ts';

export const WorkerId = Type.String({
  pattern: uuidPattern,
  description: 'chosen by the worker, kept on its disk',
});
const generation = wholeNumber(1, { description: 'given at registration; older ones are refused' });

const VmMax = strict({ memoryMiB: wholeNumber(0), vcpus: wholeNumber(0) });

/** One kind of job this worker can run; `unavailable` says why not, when it cannot. */
export const ExecutorOffer = strict({
  name: Type.String({ pattern: namePattern }),
  unavailable: nullable(Type.String({ maxLength: limits.reasonLength })),
  /** Left out where jobs may be of any size, and where it is not known. */
  vmMax: Type.Optional({ ...VmMax, description: 'the largest VM that it can ever give a job' }),
});
export type ExecutorOffer = Static<typeof ExecutorOffer>;

export const WorkerImage = strict({
  name: Type.String({ pattern: imagePattern }),
  digest: Type.String({ maxLength: limits.factLength }),
});

const images = Type.Array(WorkerImage, { maxItems: limits.workerImagesMax });
export const TellImages = strict({ generation, images });
export type TellImages = Static<typeof TellImages>;

export const RegisterWorker = strict({
  id: WorkerId,
  name: Type.String({
    pattern: textPattern,
    minLength: 1,
    maxLength: limits.nameLength,
    description: 'usually the host name',
  }),
  version: Type.String({ pattern: textPattern, maxLength: limits.nameLength }),
  pid: wholeNumber(1),
  slots: Type.Integer({ minimum: 1, maximum: limits.slotsMax, description: 'jobs it runs at once' }),
  queues: Type.Array(Type.String({ pattern: namePattern }), { minItems: 1, maxItems: 100 }),
  executors: Type.Array(ExecutorOffer, { maxItems: 16 }),
  images,
  registration: Type.Optional(
    Type.String({
      pattern: uuidPattern,
      description: 'names this registration; the same one again makes no new generation',
    }),
  ),
});
export type RegisterWorker = Static<typeof RegisterWorker>;

export const Registered = strict({
  generation,
  leaseUntilMs: timeMs,
  heartbeatMs: wholeNumber(1),
  requeued: Type.Array(JobId, { description: 'jobs an earlier generation held, put back now' }),
});
export type Registered = Static<typeof Registered>;

export const AttemptRef = strict({ jobId: JobId, attempt: wholeNumber(1) });
export type AttemptRef = Static<typeof AttemptRef>;

/** An attempt that has ended, as its worker saw it; or a claim given back unstarted. */
export const AttemptDone = strict({
  jobId: JobId,
  attempt: wholeNumber(1),
  /** Told with the end, so that an attempt that needs no start of its own is one write. */
  startedAtMs: Type.Optional(
    wholeNumber(0, { description: 'when it was started, epoch ms; for a claim whose start was not told' }),
  ),
  /** Null: given back before it was started. */
  reason: nullable(oneOf(attemptReasonNames)),
  exitCode: nullable(Type.Integer({ minimum: 0, maximum: 255 })),
  signal: nullable(Type.Integer({ minimum: 1, maximum: 64 })),
  message: nullable(Type.String({ maxLength: limits.reasonLength })),
  vm: nullable(VmFacts),
  usage: nullable(Usage),
  retryInMs: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: limits.retryInMsMax,
      description:
        'until then it cannot be run here, so its back-off begins then; not for failures of its own',
    }),
  ),
});
export type AttemptDone = Static<typeof AttemptDone>;

export const WorkRequest = strict({
  generation,
  token: Type.String({
    pattern: uuidPattern,
    description: 'names this call; a repeat gives the same claims again',
  }),
  repeat: Type.Boolean({ description: 'true when the answer to this token may have been lost' }),
  done: Type.Array(AttemptDone, { maxItems: limits.workMax }),
  want: Type.Integer({ minimum: 0, maximum: limits.workMax }),
  waitMs: Type.Integer({ minimum: 0, maximum: limits.waitMsMax, description: 'how long to wait for work' }),
  vms: VmReports,
  vmsStopped: VmStops,
  lacking: JobsLacking,
  executors: Type.Optional(
    Type.Array(ExecutorOffer, { maxItems: 16, description: 'as they are now, where that has changed' }),
  ),
});
export type WorkRequest = Static<typeof WorkRequest>;

export const ClaimedJob = strict({
  jobId: JobId,
  attempt: wholeNumber(1),
  spec: JobSpec,
});
export type ClaimedJob = Static<typeof ClaimedJob>;

export const WorkReply = strict({
  claimed: Type.Array(ClaimedJob),
  /** Held attempts a user wants stopped. */
  cancel: Type.Array(AttemptRef),
  /** Reported ends that changed nothing because a newer attempt, or nobody, holds the job. */
  fenced: Type.Array(AttemptRef),
  /** Claims it was given a lease ago or longer and has not started; those it does not know of it gives back. */
  unstarted: Type.Array(AttemptRef),
  state: oneOf(['online', 'draining']),
  leaseUntilMs: timeMs,
});
export type WorkReply = Static<typeof WorkReply>;

export const Heartbeat = strict({ generation });
export const HeartbeatReply = strict({
  state: oneOf(['online', 'draining']),
  leaseUntilMs: timeMs,
  cancel: Type.Array(AttemptRef),
});
export type HeartbeatReply = Static<typeof HeartbeatReply>;

export const StartAttempt = strict({ workerId: WorkerId, generation });
export const StartReply = strict({ startedAtMs: timeMs });

export const Worker = strict({
  id: WorkerId,
  name: Type.String(),
  state: oneOf(['online', 'draining', 'offline']),
  generation,
  version: Type.String(),
  pid: Type.Integer(),
  slots: Type.Integer(),
  queues: Type.Array(Type.String()),
  executors: Type.Array(ExecutorOffer),
  images: Type.Array(WorkerImage),
  registeredAtMs: timeMs,
  leaseUntilMs: timeMs,
  held: wholeNumber(0, { description: 'jobs it holds now' }),
});
export type Worker = Static<typeof Worker>;

export const WorkerPage = strict({ workers: Type.Array(Worker) });
