/** Errors about what jobs tell: results and artifacts. */
import type { ErrorEntry } from './entry.ts';

export const resultErrors = {
  RESULT_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'Job {jobId} has no result: {problem}',
    hint: 'A job writes its result, as JSON, to the file that BLIXARD_RESULT names.',
  },
  RESULT_INVALID: {
    fault: 'caller',
    status: 422,
    exitCode: 125,
    message: 'It is no JSON in UTF-8: {problem}',
    hint: 'Write one JSON value to the file that BLIXARD_RESULT names.',
  },
  ARTIFACT_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'Job {jobId} has no artifact {name} of attempt {attempt}.',
    hint: 'blixard job artifacts lists them; they are there once their attempt has ended.',
  },
  RANGE_NOT_SATISFIABLE: {
    fault: 'caller',
    status: 416,
    exitCode: 125,
    message: 'The range {range} lies outside of the {size} bytes there are.',
    hint: 'Ask for a range that begins before the end.',
  },
  ARTIFACT_OFFSET_MISMATCH: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'The artifact {name} ends at {expectedOffset}, not at {offset}.',
    hint: 'Send again from the expected offset.',
  },
  ARTIFACT_REFUSED: {
    fault: 'caller',
    status: 422,
    exitCode: 125,
    message: 'The artifact {name} is not kept: {problem}',
    hint: 'Leave fewer or smaller files.',
  },
  INPUT_UNAVAILABLE: {
    fault: 'caller',
    status: 422,
    exitCode: 125,
    message: 'The output of job {jobId} cannot be had: {problem}.',
    hint: 'Name jobs as inputs that have ended and are still stored.',
  },
  DISK_FULL: {
    fault: 'system',
    status: 507,
    exitCode: 69,
    message: 'The disk of the control node is full: {problem}',
    hint: 'Make room there: blixard queue purge forgets ended jobs with all that is theirs.',
  },
} as const satisfies Record<string, ErrorEntry>;
