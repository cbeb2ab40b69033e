/** Pages of jobs, attempts and events, and totals: each page starts at a key and reads only what it shows. */
import { define } from './define.ts';
import { jobColumns } from './jobs.ts';

const page = 'seq < :before ORDER BY seq DESC LIMIT +:limit';

type Page = { before: number; limit: number };

/** All jobs, newest first, from the one before `before`. */
export const listJobs = define<Page>('lists.jobs', `SELECT ${jobColumns} FROM jobs WHERE ${page}`);

/** The same of one state. */
export const listJobsByState = define<Page & { state: string }>(
  'lists.jobsByState',
  `SELECT ${jobColumns} FROM jobs INDEXED BY jobs_by_state WHERE state = :state AND ${page}`,
);

/** The same of one queue. */
export const listJobsByQueue = define<Page & { queue: string }>(
  'lists.jobsByQueue',
  `SELECT ${jobColumns} FROM jobs INDEXED BY jobs_by_queue WHERE queue = :queue AND ${page}`,
);

/** The same of one queue and state. */
export const listJobsByQueueAndState = define<Page & { queue: string; state: string }>(
  'lists.jobsByQueueAndState',
  `SELECT ${jobColumns} FROM jobs INDEXED BY jobs_by_queue_and_state
   WHERE queue = :queue AND state = :state AND ${page}`,
);

/** The newest attempts of a job, newest first. */
export const attemptsOfJob = define<{ jobId: string; limit: number }>(
  'lists.attempts',
  `SELECT job_id, attempt, state, worker_id, claimed_at_ms, started_at_ms, ended_at_ms, reason, exit_code,
     signal, message, vm, usage,
     coalesce(memory_mib,
       (SELECT jobs.memory_mib FROM jobs WHERE attempts.state = 'claimed' AND jobs.id = attempts.job_id),
       (SELECT job_data.spec->>'memoryMiB' FROM jobs CROSS JOIN job_data
        WHERE jobs.id = attempts.job_id AND job_data.seq = jobs.seq)) AS memory_mib
   FROM attempts WHERE job_id = :jobId ORDER BY attempt DESC LIMIT +:limit`,
);

/** The events of a job, oldest first, from the one after `after`. */
export const eventsOfJob = define<{ jobId: string; after: number; limit: number }>(
  'lists.eventsOfJob',
  `SELECT seq, at_ms, kind, job_id, attempt, worker_id, data FROM events INDEXED BY events_by_job
   WHERE job_id = :jobId AND seq > :after ORDER BY seq LIMIT +:limit`,
);

/** Totals per queue and state, as the writes keep them. */
export const jobCounts = define<{ limit: number }>(
  'lists.counts',
  "SELECT queue, state, n FROM job_counts WHERE queue > '' AND n > 0 ORDER BY queue, state LIMIT +:limit",
);

/** Answers when the store does. */
export const probe = define<Record<never, never>>('lists.probe', 'SELECT 1 AS ok');
