/** Errors about jobs, attempts, workers and logs. */
import type { ErrorEntry } from './entry.ts';

export const jobErrors = {
  SPEC_TOO_LARGE: {
    fault: 'caller',
    status: 413,
    exitCode: 125,
    message: 'The job spec is {bytes} bytes; at most {maxBytes} are allowed.',
    hint: 'Shorten command and environment, or give the data on standard input.',
  },
  JOB_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'There is no job {jobId}.',
    hint: 'blixard job ls shows the newest jobs.',
  },
  JOB_ID_AMBIGUOUS: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'More than one job id starts with {prefix}: {matches}.',
    hint: 'Give more characters of the id.',
  },
  JOB_ID_CONFLICT: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'Job {jobId} exists already with another spec.',
    hint: 'Leave the id out, or send the same spec again to get the same job.',
  },
  JOB_INVALID_TRANSITION: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'Job {jobId} is {from} and cannot become {to}; from {from} it can become: {allowed}.',
    hint: 'blixard job get shows the state of the job.',
  },
  ATTEMPT_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'Job {jobId} has no attempt {attempt}.',
    hint: 'blixard job get lists the attempts.',
  },
  IMAGE_UNKNOWN: {
    fault: 'caller',
    status: 422,
    exitCode: 125,
    message: 'image: no worker has the image {image}; there are: {known}.',
    hint: 'Name one of these images, or build it on a worker.',
  },
  WORKER_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'There is no worker {workerId}.',
    hint: 'blixard worker ls lists the workers.',
  },
  WORKER_LOCKED: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'Another process on this host is the worker of {dir}.',
    hint: 'Stop that process, or use another data directory with --data-dir.',
  },
  WORKER_STOPPED: {
    fault: 'caller',
    status: 503,
    exitCode: 125,
    message: 'The worker was stopped before it could register.',
    hint: 'Start it again.',
  },
  FENCED: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'This was said by an older holder and changes nothing: {problem}',
    hint: 'The worker must stop this attempt; a newer one may be running.',
  },
  LOG_OFFSET_MISMATCH: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'The log of job {jobId} attempt {attempt} ends at {expectedOffset}, not at {offset}.',
    hint: 'Send again from the expected offset.',
  },
} as const satisfies Record<string, ErrorEntry>;
