/** The rows of the route table that submit jobs and find them again. */
import { jobMachine } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import { Job, JobPage, namePattern, SubmitJob } from './job.ts';
import type { Route } from './routes.ts';
import { cursor, pageSize, someOf, strict } from './schema.ts';
import { idempotencyHeaders, searchQuery } from './submit-options.ts';
import { Type } from './typebox.ts';

export const submitRoutes = {
  submitJob: {
    method: 'POST',
    path: '/v1/jobs',
    summary:
      'Submit a job. It is on disk when this answers. 201, too, with a job that is there already: of the same id or ' +
      'Idempotency-Key and body, or by its unique policy.',
    headers: idempotencyHeaders(
      'kept as long as the job that was answered; the same key and body give that job again. Routes that change ' +
        'something and do not name this header refuse it with 400.',
    ),
    body: SubmitJob,
    status: 201,
    reply: Job,
    errors: [
      'VALIDATION_FAILED',
      'SPEC_TOO_LARGE',
      'IMAGE_UNKNOWN',
      'JOB_ID_CONFLICT',
      'IDEMPOTENCY_CONFLICT',
      'UNIQUE_CONFLICT',
      'PARENT_UNKNOWN',
      'JOB_CYCLE',
      'STORE_UNAVAILABLE',
    ],
  },
  submitJobs: {
    method: 'POST',
    path: '/v1/jobs/batch',
    summary:
      'Submit many jobs, one JSON object on each line (NDJSON), all or none; they are answered in their order. ' +
      'With an id on each line the call is safe to repeat; it takes no Idempotency-Key.',
    body: Type.Array(SubmitJob, { minItems: 1, maxItems: limits.batchJobs }),
    bodyIsLines: true,
    status: 201,
    reply: strict({ jobs: Type.Array(Job) }),
    errors: ['VALIDATION_FAILED', 'BATCH_LINE_REFUSED', 'STORE_UNAVAILABLE'],
  },
  listJobs: {
    method: 'GET',
    path: '/v1/jobs',
    summary:
      'Jobs, newest first. A search by label, tenant, group, text or time looks at so many jobs for each page and no ' +
      'more: a page may be short, or empty, and still have a nextCursor. So may any page of large specs.',
    query: strict({
      state: Type.Optional(someOf(jobMachine.states)),
      queue: Type.Optional(Type.String({ pattern: namePattern })),
      ...searchQuery,
      limit: pageSize,
      cursor,
    }),
    status: 200,
    reply: JobPage,
    errors: ['VALIDATION_FAILED', 'STORE_UNAVAILABLE'],
  },
} as const satisfies Record<string, Route>;
