/** Queues on the wire: their settings, what is in them, and what is done to all jobs of one. */
import { defaults } from '../domain/defaults.ts';
import { endedStates } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import { EndReason, JobId } from './job.ts';
import { nullable, oneOf, strict, timeMs, wholeNumber } from './schema.ts';
import { type Static, Type } from './typebox.ts';

const concurrency = (description: string) =>
  nullable(Type.Integer({ minimum: 1, maximum: limits.concurrencyMax, description }));
const retained = (state: string, defaultMs: number) =>
  nullable(
    Type.Integer({
      minimum: 0,
      maximum: limits.retentionMsMax,
      description: `how long a ${state} job is kept; null is for ever, default ${defaultMs}`,
    }),
  );

const Retention = strict({
  completedMs: retained('completed', defaults.retainCompletedMs),
  failedMs: retained('failed', defaults.retainFailedMs),
  cancelledMs: retained('cancelled', defaults.retainCancelledMs),
});

/** A tenant, or a concurrency key. */
export const weightNamePattern = `^[^\\u0000\\ud800-\\udfff]{1,${limits.concurrencyKeyLength}}$`;

/** Whose jobs take turns. */
export const fairBys = ['none', 'tenant', 'key'] as const;
export type FairBy = (typeof fairBys)[number];
/** What becomes of a job submitted over the limit of its key. */
export const keyPolicies = ['wait', 'cancel_oldest', 'cancel_newest'] as const;
export type KeyPolicy = (typeof keyPolicies)[number];

export const RateLimit = strict({
  max: Type.Integer({
    minimum: 1,
    maximum: limits.rateMax,
    description: 'starts, and the size of the bucket',
  }),
  perMs: Type.Integer({
    minimum: 1,
    maximum: limits.ratePerMsMax,
    description: 'in which so many tokens flow in',
  }),
});
export type RateLimit = Static<typeof RateLimit>;

const settings = {
  concurrencyMax: concurrency('jobs of the queue held by workers at once; null is no limit'),
  concurrencyMaxPerKey: concurrency('the same of the jobs that share a concurrencyKey'),
  keyPolicy: oneOf(keyPolicies, {
    description: 'over concurrencyMaxPerKey a new job waits, or ends the oldest of its key, or ends itself',
  }),
  fairBy: oneOf(fairBys, { description: 'the jobs of which take turns: all in one line, tenants, or keys' }),
  weights: Type.Record(
    Type.String({ pattern: weightNamePattern }),
    Type.Integer({ minimum: 1, maximum: limits.weightMax }),
    {
      maxProperties: limits.weightsMax,
      additionalProperties: false,
      description:
        'of tenants, or keys: one of weight 3 gets three turns for one of weight 1, which all others have',
    },
  ),
  rateLimit: nullable(RateLimit),
  rateLimitPerKey: nullable(RateLimit),
};

/** What is set of a queue; every default filled in. */
export const QueueSettings = strict({ ...settings, retention: Retention });
export type QueueSettings = Static<typeof QueueSettings>;

/** All settings of a queue: what is left out has its default. The pause is no part of them. */
export const SetQueue = strict({
  concurrencyMax: Type.Optional(settings.concurrencyMax),
  concurrencyMaxPerKey: Type.Optional(settings.concurrencyMaxPerKey),
  keyPolicy: Type.Optional(settings.keyPolicy),
  fairBy: Type.Optional(settings.fairBy),
  weights: Type.Optional(settings.weights),
  rateLimit: Type.Optional(settings.rateLimit),
  rateLimitPerKey: Type.Optional(settings.rateLimitPerKey),
  retention: Type.Optional(Type.Partial(Retention, { additionalProperties: false })),
});
export type SetQueue = Static<typeof SetQueue>;

const shown = {
  name: Type.String(),
  paused: Type.Boolean({ description: 'its jobs wait; those that run go on' }),
  counts: Type.Record(Type.String(), wholeNumber(0), {
    description: 'jobs per state, kept by the writes; states with none left out',
  }),
};

export const Queue = strict({
  ...shown,
  ...QueueSettings.properties,
  updatedAtMs: nullable(timeMs),
});
export type Queue = Static<typeof Queue>;

/** A queue that was paused or resumed. */
export const SwitchedQueue = strict({
  ...Queue.properties,
  isNew: Type.Optional(
    Type.Boolean({ description: 'true: the call has made it, it had neither settings nor jobs before' }),
  ),
});
export type SwitchedQueue = Static<typeof SwitchedQueue>;

export const QueuePage = strict({
  queues: Type.Array(Queue),
  nextCursor: nullable(Type.String({ description: 'give it as cursor for the next page' })),
});
export type QueuePage = Static<typeof QueuePage>;

export const QueueStats = strict({
  ...shown,
  held: wholeNumber(0, { description: 'jobs that workers hold now' }),
  concurrencyMax: settings.concurrencyMax,
  oldestPendingAtMs: nullable(timeMs),
  lastCompletedAtMs: nullable(timeMs),
  lastFailedAtMs: nullable(timeMs),
});
export type QueueStats = Static<typeof QueueStats>;

const step = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: limits.jobsPerStep,
    description: `how many in this call, default ${limits.jobsPerStep}`,
  }),
);

export const Redrive = strict({
  ids: Type.Optional(
    Type.Array(JobId, {
      minItems: 1,
      maxItems: limits.jobsPerStep,
      description: 'these only; those that have not failed in this queue stay as they are',
    }),
  ),
  reason: Type.Optional(EndReason),
  limit: step,
});
export type Redrive = Static<typeof Redrive>;

const more = Type.Boolean({ description: 'there are more of them: call again' });
export const Redriven = strict({
  redriven: wholeNumber(0),
  more: Type.Boolean({
    description: 'there are more that can run again: call again; not those whose unique key another job has',
  }),
});
export type Redriven = Static<typeof Redriven>;

export const Purge = strict({
  states: Type.Optional(
    Type.Array(oneOf(endedStates), {
      minItems: 1,
      maxItems: endedStates.length,
      description: 'default: all',
    }),
  ),
  olderThanMs: Type.Optional(
    Type.Integer({ minimum: 0, maximum: limits.retentionMsMax, description: 'ended longer ago than this' }),
  ),
  limit: step,
});
export type Purge = Static<typeof Purge>;

export const Purged = strict({ purged: wholeNumber(0), more });
export type Purged = Static<typeof Purged>;
