/** Errors about schedules. */
import type { ErrorEntry } from './entry.ts';

export const scheduleErrors = {
  SCHEDULE_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'There is no schedule {schedule}.',
    hint: 'blixard schedule ls shows all schedules.',
  },
  SCHEDULE_CHANGED: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'Schedule {schedule} has version {found}, not {version}.',
    hint: 'Look at it again, then send your change with its version, or with none.',
  },
} as const satisfies Record<string, ErrorEntry>;
