/** What a claim tells: its events for all its jobs at once, and the jobs themselves to their worker. */
import { heldStates } from '../../domain/job.ts';
import { define, literals } from './define.ts';
import { insertSet, jobsAndAttempts, onlyQueue } from './event-sets.ts';

type OfToken = { workerId: string; token: string };

/** The jobs a token has claimed and its worker still holds. */
const heldByToken = `jobs INDEXED BY jobs_held WHERE jobs.worker_id = :workerId AND jobs.claim_token = :token
  AND jobs.state IN (${literals(heldStates)})`;

/** All of a token are claimed by the first of its calls that claims any; one sent again finds its event. */
const untold = `NOT EXISTS (SELECT 1 FROM events INDEXED BY events_of_sets
  WHERE events.at_ms = (SELECT jobs.claimed_at_ms FROM ${heldByToken} ORDER BY jobs.seq LIMIT 1)
    AND events.jobs IS NOT NULL AND events.token = :token)`;

/**
 * Two lines: `[jobId, …]`, and `[{"jobId":…,"attempt":…,"spec":…}, …]` with the memory of this attempt, as it is told
 * to the worker; an id and a spec are JSON already.
 */
const claims = `'["' || group_concat(jobs.id, '","') || '"]' || char(10) || '[{"jobId":"' || group_concat(jobs.id
  || '","attempt":' || jobs.attempt || ',"spec":' || CASE WHEN jobs.memory_mib IS NULL THEN job_data.spec
  ELSE json_set(job_data.spec, '$.memoryMiB', jobs.memory_mib) END, '},{"jobId":"') || '}]' AS claims`;

/** Of the token, the best job first. */
const ofToken = `(SELECT jobs.seq AS of_seq FROM ${heldByToken} ORDER BY jobs.rank_ms, jobs.seq)
  CROSS JOIN jobs CROSS JOIN job_data WHERE jobs.seq = of_seq AND job_data.seq = of_seq`;

/**
 * Tells and counts what the claim of this token, before it in the batch, has taken; gives `claims` where there are any:
 * the jobs, as JSON.
 */
export const tellClaimed = define<OfToken & { nowMs: number }>(
  'claimed.tell',
  `${insertSet({
    kind: 'job.claimed',
    workerId: ':workerId',
    data: `'{"from":"pending"}'`,
    queue: onlyQueue,
    token: ':token',
    jobs: jobsAndAttempts,
  })}
   FROM (SELECT id, attempt, queue FROM ${heldByToken} ORDER BY jobs.seq) AS jobs HAVING count(*) > 0 AND ${untold}
   RETURNING (SELECT ${claims} FROM ${ofToken}) AS claims`,
);

/** The same jobs once more, for a call whose answer was lost; null when there are none. */
export const claimsOfToken = define<OfToken & { generation: number }>(
  'claimed.ofToken',
  `SELECT ${claims} FROM ${ofToken} AND jobs.worker_generation = :generation`,
);
