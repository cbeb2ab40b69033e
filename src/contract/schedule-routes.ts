/** The rows of the route table about schedules. */
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import { Job, JobId } from './job.ts';
import type { Route } from './routes.ts';
import { Schedule, ScheduleName, SchedulePage, ScheduleWithRuns, SetSchedule } from './schedule.ts';
import { cursor, strict } from './schema.ts';
import { idempotencyHeaders } from './submit-options.ts';
import { Type } from './typebox.ts';

const params = strict({ name: ScheduleName });

export const scheduleRoutes = {
  listSchedules: {
    method: 'GET',
    path: '/v1/schedules',
    summary: 'Schedules by name. A page of large jobs may be short and still have a nextCursor.',
    query: strict({
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: limits.pageMax, description: `default ${defaults.pageSize}` }),
      ),
      cursor,
    }),
    status: 200,
    reply: SchedulePage,
    errors: ['VALIDATION_FAILED', 'STORE_UNAVAILABLE'],
  },
  getSchedule: {
    method: 'GET',
    path: '/v1/schedules/{name}',
    summary: 'One schedule with its newest runs.',
    params,
    status: 200,
    reply: ScheduleWithRuns,
    errors: ['SCHEDULE_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  setSchedule: {
    method: 'PUT',
    path: '/v1/schedules/{name}',
    summary: 'Make or change a schedule; the same contents again change nothing.',
    params,
    body: SetSchedule,
    status: 200,
    reply: Schedule,
    errors: [
      'VALIDATION_FAILED',
      'SPEC_TOO_LARGE',
      'IMAGE_UNKNOWN',
      'PARENT_UNKNOWN',
      'SCHEDULE_CHANGED',
      'OVERLOADED',
      'STORE_UNAVAILABLE',
    ],
  },
  deleteSchedule: {
    method: 'DELETE',
    path: '/v1/schedules/{name}',
    summary: 'Remove a schedule; its jobs stay.',
    params,
    status: 200,
    reply: Schedule,
    errors: ['SCHEDULE_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  triggerSchedule: {
    method: 'POST',
    path: '/v1/schedules/{name}/trigger',
    summary:
      'Submit its job now, also when it is paused or its last job runs; its slots stay as they are. With an id for ' +
      'the job, the same call again gives that job again.',
    params,
    headers: idempotencyHeaders(
      'of this schedule, kept as long as the job; the same key gives that job again',
    ),
    body: strict({ id: Type.Optional(JobId) }),
    status: 201,
    reply: Job,
    errors: [
      'VALIDATION_FAILED',
      'SCHEDULE_NOT_FOUND',
      'JOB_ID_CONFLICT',
      'UNIQUE_CONFLICT',
      'SPEC_TOO_LARGE',
      'IMAGE_UNKNOWN',
      'PARENT_UNKNOWN',
      'JOB_CYCLE',
      'STORE_UNAVAILABLE',
    ],
  },
  pauseSchedule: {
    method: 'POST',
    path: '/v1/schedules/{name}/pause',
    summary: 'Fire no slot until it is resumed.',
    params,
    status: 200,
    reply: Schedule,
    errors: ['SCHEDULE_NOT_FOUND', 'OVERLOADED', 'STORE_UNAVAILABLE'],
  },
  resumeSchedule: {
    method: 'POST',
    path: '/v1/schedules/{name}/resume',
    summary: 'Fire slots again, from the next one on; those of the pause are not made up for.',
    params,
    status: 200,
    reply: Schedule,
    errors: ['SCHEDULE_NOT_FOUND', 'OVERLOADED', 'STORE_UNAVAILABLE'],
  },
} as const satisfies Record<string, Route>;
