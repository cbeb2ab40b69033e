/** Handlers of schedules. */

import type { AppDeps, Handlers } from './handler.ts';
import { assertArgBytes } from './jobs.ts';

type ScheduleRoutes =
  | 'listSchedules'
  | 'getSchedule'
  | 'setSchedule'
  | 'deleteSchedule'
  | 'triggerSchedule'
  | 'pauseSchedule'
  | 'resumeSchedule';

/** Commands and questions about schedules. */
export function scheduleHandlers({ schedules }: Pick<AppDeps, 'schedules'>): Pick<Handlers, ScheduleRoutes> {
  return {
    listSchedules: ({ query }) => schedules.list(query),
    getSchedule: ({ params }) => schedules.get(params.name),
    setSchedule: async ({ params, body }) => {
      assertArgBytes(body.job, 'job.');
      return schedules.set(params.name, body);
    },
    deleteSchedule: ({ params }) => schedules.delete(params.name),
    triggerSchedule: ({ params, headers, body }) =>
      schedules.trigger(params.name, headers['idempotency-key'], body.id),
    pauseSchedule: ({ params }) => schedules.pause(params.name),
    resumeSchedule: ({ params }) => schedules.resume(params.name),
  };
}
