/** Many jobs in one write: they come as one JSON list, and all of them are stored or none. */
import { define } from './define.ts';
import { areStored, imageIsFine, jobColumns, type NewJob } from './jobs.ts';

/** What jobs that come one after another may have in common, and its column. */
const runColumns = {
  queue: 'queue',
  executor: 'executor',
  image: 'image',
  state: 'state',
  priority: 'priority',
  runAtMs: 'run_at_ms',
  expiresAtMs: 'expires_at_ms',
  uniqueKey: 'unique_key',
  tenant: 'tenant',
  attemptsMax: 'attempts_max',
  concurrencyKey: 'concurrency_key',
  afterFailed: 'after_failed',
  groupName: 'group_name',
} as const satisfies Partial<Record<keyof NewJob, string>>;

/** The values of a run behind place and ids, in this order. A job with a unique key is a run of its own. */
export const ofRun = Object.keys(runColumns) as (keyof typeof runColumns)[];

const columns = Object.values(runColumns);

/** The jobs that have the unique key of `row` now. */
const holdersOf = (row: string): string =>
  `jobs INDEXED BY jobs_unique WHERE jobs.queue = ${row}.queue AND jobs.unique_key = ${row}.unique_key
     AND jobs.ended_at_ms IS NULL`;

/**
 * New jobs, in this order, as `runs`, `[[place, [id], queue, …]]`: what jobs have in common is read once, where each
 * value read of a JSON text costs as much as to store it. `place` is how many jobs stand before the run. None is stored
 * when one of them cannot be, or a job of `parents`, a list of ids or null, is not there. With an empty `token` they
 * are a set, of which `tellSubmitted` tells before their specs are stored; else it is null.
 */
export const insertJobs = define<{ runs: string; parents: string | null; token: '' | null; nowMs: number }>(
  'batch.insert',
  `WITH run AS MATERIALIZED (
     SELECT value->>0 AS place, value->>1 AS ids,
       ${columns.map((column, at) => `value->>${at + 2} AS ${column}`).join(', ')}
     FROM json_each(:runs))
   INSERT INTO jobs (seq, claim_token, id, ${columns.join(', ')}, created_at_ms, updated_at_ms)
   SELECT (SELECT coalesce(max(seq), 0) FROM jobs) + 1 + run.place + new.key, :token, new.value,
     ${columns.map((column) => `run.${column}`).join(', ')}, :nowMs, :nowMs
   FROM run CROSS JOIN json_each(run.ids) AS new
   WHERE ${areStored(':parents')}
     AND NOT EXISTS (
       SELECT 1 FROM run CROSS JOIN json_each(run.ids) AS named CROSS JOIN jobs WHERE jobs.id = named.value)
     AND (NOT EXISTS (SELECT 1 FROM logs_to_remove WHERE logs_to_remove.job_id > '') OR NOT EXISTS (
       SELECT 1 FROM run CROSS JOIN json_each(run.ids) AS named CROSS JOIN logs_to_remove AS left_over
       WHERE left_over.job_id = named.value))
     AND (NOT EXISTS (SELECT 1 FROM submit_answers WHERE submit_id > '') OR NOT EXISTS (
       SELECT 1 FROM run CROSS JOIN json_each(run.ids) AS named CROSS JOIN submit_answers CROSS JOIN jobs AS answer
       WHERE submit_id = named.value AND answer.id = job_id))
     AND NOT EXISTS (SELECT 1 FROM run CROSS JOIN ${holdersOf('run')})
     AND NOT EXISTS (SELECT 1 FROM run WHERE NOT ${imageIsFine('run.image', 'run.executor')})`,
);

/** The specs of the jobs just inserted, in their order, if they were; `first` is the id of the first of them. */
export const insertJobsData = define<{ first: string; specs: string }>(
  'batch.insertData',
  `INSERT INTO job_data (seq, spec)
   SELECT jobs.seq + d.key, d.value FROM jobs CROSS JOIN json_each(:specs) AS d
   WHERE jobs.id = :first AND jobs.seq > (SELECT coalesce(max(seq), 0) FROM job_data)`,
);

/**
 * For each `[id, queue, uniqueKey, image, executor]`: 1 where its id is taken, 1 where a submit with it was
 * answered with another job, who has its key, 1 where its image is fine.
 */
export const obstacles = define<{ jobs: string }>(
  'batch.obstacles',
  `WITH new AS MATERIALIZED (
     SELECT value->>0 AS id, value->>1 AS queue, value->>2 AS unique_key, value->>3 AS image,
       value->>4 AS executor
     FROM json_each(:jobs))
   SELECT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = new.id) AS taken,
     EXISTS (SELECT 1 FROM submit_answers CROSS JOIN jobs AS answer
       WHERE submit_id = new.id AND answer.id = job_id) AS answered,
     (SELECT jobs.id FROM ${holdersOf('new')}) AS holder, ${imageIsFine('new.image', 'new.executor')} AS fine
   FROM new`,
);

/** The jobs with these ids, in no order. */
export const jobsByIds = define<{ ids: string }>(
  'batch.byIds',
  `SELECT ${jobColumns} FROM jobs WHERE id IN (SELECT value FROM json_each(:ids))`,
);
