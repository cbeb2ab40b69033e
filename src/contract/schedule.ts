/** Schedules on the wire: what a user sets, and what is told of a schedule and its runs. */
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import { catchUpPolicies, overlapPolicies } from '../domain/schedule.ts';
import { namePattern, SubmitJob } from './job.ts';
import { nullable, oneOf, strict, timeMs, wholeNumber } from './schema.ts';
import { type Static, Type } from './typebox.ts';

export const ScheduleName = Type.String({ pattern: namePattern });

/** What is submitted at each slot; its id is made from schedule and slot. */
const ScheduledJob = Type.Omit(SubmitJob, ['id', 'runAtMs'], { additionalProperties: false });

const settings = {
  cron: Type.String({
    minLength: 1,
    maxLength: limits.cronLength,
    description: 'minute hour day month weekday, or with a second in front; or @daily and the like',
  }),
  timeZone: Type.String({
    minLength: 1,
    maxLength: limits.timeZoneLength,
    default: defaults.timeZone,
    description: 'IANA name, for example Europe/Berlin',
  }),
  catchUp: oneOf(catchUpPolicies, {
    default: defaults.catchUp,
    description: 'slots that nobody fired in time: none is run, one in place of all, or all up to catchUpMax',
  }),
  catchUpMax: Type.Integer({ minimum: 1, maximum: limits.catchUpMax, default: defaults.catchUpMax }),
  overlap: oneOf(overlapPolicies, {
    default: defaults.overlap,
    description:
      'the job before has not ended: skip the slot; queue: the job waits until those before it have ended, ' +
      `${limits.scheduleWaitingMax} at most; replace: cancel the one before`,
  }),
};

/** What a user sets. */
export const SetSchedule = strict({
  cron: settings.cron,
  timeZone: Type.Optional(settings.timeZone),
  job: ScheduledJob,
  catchUp: Type.Optional(settings.catchUp),
  catchUpMax: Type.Optional(settings.catchUpMax),
  overlap: Type.Optional(settings.overlap),
  paused: Type.Optional(Type.Boolean({ description: 'if left out, as it is; a new schedule is not paused' })),
  version: Type.Optional(
    wholeNumber(0, { description: 'change it only if it has this version; 0: only if there is none' }),
  ),
});
export type SetSchedule = Static<typeof SetSchedule>;

const scheduleFields = {
  name: ScheduleName,
  ...settings,
  job: ScheduledJob,
  paused: Type.Boolean(),
  version: wholeNumber(1, { description: 'grows with every change' }),
  nextAtMs: nullable(timeMs),
  nextSlotsMs: Type.Array(timeMs, { description: 'the next slots, as things stand' }),
  lastSlotMs: nullable(timeMs),
  lastJobId: nullable(Type.String()),
  fired: wholeNumber(0, { description: 'jobs submitted, triggered ones too' }),
  skipped: wholeNumber(0, { description: 'slots not run' }),
  failed: wholeNumber(0, { description: 'slots whose job could not be submitted' }),
  createdAtMs: timeMs,
  updatedAtMs: timeMs,
};

export const Schedule = strict(scheduleFields);
export type Schedule = Static<typeof Schedule>;

export const ScheduleRun = strict({
  jobId: nullable(Type.String()),
  trigger: oneOf(['slot', 'manual'], { description: 'its time came, or somebody triggered it' }),
  slotMs: timeMs,
  slots: wholeNumber(1, { description: 'slots this stands for; missed ones are told together' }),
  outcome: oneOf(['firing', 'fired', 'failed', 'skipped']),
  reason: nullable(Type.String({ description: 'why it was skipped: missed, overlap, replaced' })),
  message: nullable(Type.String({ description: 'why no job could be submitted' })),
});
export type ScheduleRun = Static<typeof ScheduleRun>;

/** One schedule with its newest runs, newest first. */
export const ScheduleWithRuns = strict({ ...scheduleFields, runs: Type.Array(ScheduleRun) });
export type ScheduleWithRuns = Static<typeof ScheduleWithRuns>;

export const SchedulePage = strict({
  schedules: Type.Array(Schedule),
  nextCursor: nullable(Type.String({ description: 'give it as cursor for the next page' })),
});
export type SchedulePage = Static<typeof SchedulePage>;
