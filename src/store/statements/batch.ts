/** Many jobs in one write: they come as one JSON list, and all of them are stored or none. */
import { define } from './define.ts';
import { areStored, imageIsFine, jobColumns } from './jobs.ts';

/** What keeps the job `value` of a list out. */
const idTaken = (value: string): string => `EXISTS (SELECT 1 FROM jobs WHERE id = ${value}->>'id')`;
const holderOf = (value: string): string =>
  `jobs INDEXED BY jobs_unique WHERE queue = ${value}->>'queue' AND unique_key = ${value}->>'uniqueKey'
     AND ended_at_ms IS NULL`;

/**
 * New jobs `[NewJob]`, in this order; none when one of them cannot be stored, or a job of `parents`, a list
 * of ids or null, is not there. With an empty `token` they are a set, of which `tellSubmitted` tells before their specs
 * are stored; else it is null.
 */
export const insertJobs = define<{ jobs: string; parents: string | null; token: '' | null; nowMs: number }>(
  'batch.insert',
  `INSERT INTO jobs
     (claim_token, id, queue, executor, image, state, priority, run_at_ms, expires_at_ms, unique_key, tenant,
      attempts_max, concurrency_key, after_failed, group_name, created_at_ms, updated_at_ms)
   SELECT :token, d.value->>'id', d.value->>'queue', d.value->>'executor', d.value->>'image', d.value->>'state',
     d.value->>'priority', d.value->>'runAtMs', d.value->>'expiresAtMs', d.value->>'uniqueKey',
     d.value->>'tenant', d.value->>'attemptsMax', d.value->>'concurrencyKey',
     d.value->>'afterFailed', d.value->>'groupName', :nowMs, :nowMs
   FROM json_each(:jobs) AS d
   WHERE ${areStored(':parents')} AND NOT EXISTS (
     SELECT 1 FROM json_each(:jobs) AS any
     WHERE ${idTaken('any.value')} OR EXISTS (SELECT 1 FROM ${holderOf('any.value')})
       OR NOT ${imageIsFine("any.value->>'image'")})`,
);

/**
 * The specs of the jobs just inserted, `[[id, spec]]`; older jobs keep theirs. Apart from the jobs, because each value
 * read of an object reads all of it.
 */
export const insertJobsData = define<{ specs: string }>(
  'batch.insertData',
  `INSERT INTO job_data (seq, spec)
   SELECT jobs.seq, d.value->>1 FROM json_each(:specs) AS d CROSS JOIN jobs
   WHERE jobs.id = d.value->>0
   ON CONFLICT (seq) DO NOTHING`,
);

/** For each of the jobs: 1 where its id is taken, who has its unique key, and 1 where its image is fine. */
export const obstacles = define<{ jobs: string }>(
  'batch.obstacles',
  `SELECT ${idTaken('d.value')} AS taken, (SELECT jobs.id FROM ${holderOf('d.value')}) AS holder,
     ${imageIsFine("d.value->>'image'")} AS fine
   FROM json_each(:jobs) AS d`,
);

/** The jobs with these ids, in no order. */
export const jobsByIds = define<{ ids: string }>(
  'batch.byIds',
  `SELECT ${jobColumns} FROM jobs WHERE id IN (SELECT value FROM json_each(:ids))`,
);
