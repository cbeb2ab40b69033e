/**
 * The common end of a light job, of many at once: its start is told with its exit code 0, and nothing else. The
 * statements go by the same condition: they stand in one batch, in this order.
 */
import { heldStates } from '../../domain/job.ts';
import { define, literals } from './define.ts';
import { insertSet, jobsOfAttempt, onlyQueue } from './event-sets.ts';
import { anyOfGroup, isLimited, isWaitedFor, type OfHolder, startedWithEnd } from './work.ts';

/** `starts` is `{jobId: startedAtMs}`: claimed attempts, all with this number. */
type Starts = OfHolder & { starts: string; attempt: number };

/** `+` keeps the planner on the id. */
const isThose = `jobs.id = d.key AND +jobs.attempt = :attempt AND +jobs.worker_id = :workerId
  AND +jobs.worker_generation = :generation AND +jobs.state = 'claimed'`;
const those = `json_each(:starts) AS d CROSS JOIN jobs WHERE ${isThose}`;

/** Of those whose end, or whose place, others may wait for: what `tellMoved` tells. */
const missed = `SELECT json_group_array(json_object('id', jobs.id, 'state', 'completed', 'queue', jobs.queue,
    'concurrency_key', jobs.concurrency_key, 'group_name', jobs.group_name, 'limited', ${isLimited},
    'is_waited_for', ${isWaitedFor}))
  FROM ${those} AND (jobs.concurrency_key IS NOT NULL OR jobs.group_name IS NOT NULL OR ${isLimited}
    OR ${isWaitedFor})`;

/** Hardly any store has such a job, and looks for one among those. */
const anyMissed = `(EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_held_by_key
    WHERE queue > '' AND concurrency_key IS NOT NULL AND state IN (${literals(heldStates)}))
  OR ${anyOfGroup}
  OR EXISTS (SELECT 1 FROM queues INDEXED BY queues_limited WHERE name > '' AND concurrency_max IS NOT NULL)
  OR EXISTS (SELECT 1 FROM job_parents INDEXED BY job_parents_open WHERE parent_id > '' AND state = 'open'))`;

/** Tells and counts it; gives, where there are any, `jobs` as `[[jobId, attempt], …]`, and `missed` as rows in JSON. */
export const tellCompleted = define<Starts & { nowMs: number }>(
  'completed.tell',
  `${insertSet({
    kind: 'job.completed',
    workerId: ':workerId',
    data: `'{"from":"claimed","reason":"exit","exitCode":0}'`,
    queue: onlyQueue,
    token: 'NULL',
    jobs: jobsOfAttempt(':attempt'),
  })}
   FROM ${those} HAVING count(*) > 0
   RETURNING jobs, iif(${anyMissed}, (${missed}), '[]') AS missed`,
);

const end = `state = 'completed', attempts_used = attempts_used + 1, infra_failures = 0, reason = 'exit', exit_code = 0,
  claim_token = '', started_at_ms = ${startedWithEnd('d.value')}, expires_at_ms = NULL, ended_at_ms = :nowMs`;

/**
 * Does it where others may wait for one of them, which its triggers tell; a job with an empty claim token is told. A
 * list that is not to be written is not even read.
 */
export const completeAmongOthers = define<Starts & { nowMs: number }>(
  'completed.writeAmongOthers',
  `UPDATE jobs SET ${end}, updated_at_ms = :nowMs FROM json_each(iif(${anyMissed}, :starts, '{}')) AS d
   WHERE ${isThose}`,
);

/** Does it elsewhere. */
export const completeClaimed = define<Starts & { nowMs: number }>(
  'completed.write',
  `UPDATE jobs SET ${end} FROM json_each(iif(${anyMissed}, '{}', :starts)) AS d WHERE ${isThose}`,
);
