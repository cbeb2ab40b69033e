/** Queues on the wire: their settings, what is in them, and what is done to all jobs of one. */
import { type Static, Type } from 'typebox';
import { endedStates } from '../domain/job.ts';
import { defaults, limits } from '../domain/limits.ts';
import { EndReason, JobId } from './job.ts';
import { nullable, oneOf, strict, timeMs, wholeNumber } from './schema.ts';

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

const settings = {
  concurrencyMax: concurrency('jobs of the queue held by workers at once; null is no limit'),
  concurrencyMaxPerKey: concurrency('the same of the jobs that share a concurrencyKey'),
};

/** What is set of a queue; every default filled in. */
export const QueueSettings = strict({ ...settings, retention: Retention });
export type QueueSettings = Static<typeof QueueSettings>;

/** All settings of a queue: what is left out has its default. The pause is no part of them. */
export const SetQueue = strict({
  concurrencyMax: Type.Optional(settings.concurrencyMax),
  concurrencyMaxPerKey: Type.Optional(settings.concurrencyMaxPerKey),
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
export const Redriven = strict({ redriven: wholeNumber(0), more });
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
