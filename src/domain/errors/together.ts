/** Errors about jobs that run after others, and about groups. */
import type { ErrorEntry } from './entry.ts';

export const togetherErrors = {
  PARENT_UNKNOWN: {
    fault: 'caller',
    status: 422,
    exitCode: 125,
    message: 'There is no job {parentId} to run after.',
    hint: 'Name jobs that are stored, or that come in the same batch with an id; blixard job ls shows the newest.',
  },
  JOB_CYCLE: {
    fault: 'caller',
    status: 422,
    exitCode: 125,
    message: 'Each of these jobs would wait for the next: {cycle}.',
    hint: 'Take one of these ids out of after.',
  },
  GROUP_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'There is no group {group}.',
    hint: 'A group is there as long as it has jobs; blixard group ls shows all groups.',
  },
} as const satisfies Record<string, ErrorEntry>;
