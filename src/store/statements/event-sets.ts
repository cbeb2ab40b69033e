/** Events of many jobs that took the same step in one statement: one row has them all. */
import { limits } from '../../domain/limits.ts';

/** Number of the event of `each` job of the row `log`. */
export const eventNumber = 'log.seq - log.job_count + 1 + each.key';

/** The job of that event; null for one that has none. */
export const eventJob = 'coalesce(each.value->>0, log.job_id)';

/** That event, as if it had a row of its own. */
export const eventColumns = `${eventNumber} AS seq, log.at_ms, log.kind, ${eventJob} AS job_id,
  coalesce(each.value->>1, log.attempt) AS attempt, log.worker_id, log.data`;

/** The events, one by one, of the rows `log`. */
export const eachEvent = (logs: string): string =>
  `${logs} AS log CROSS JOIN json_each(coalesce(log.jobs, '[[]]')) AS each`;

/** Those with a number after one and up to another; a row may begin before and end behind. */
export const numberedBetween = (after: string, until: string): string =>
  `log.seq > ${after} AND log.seq < ${until} + ${limits.workMax} AND ${eventNumber} > ${after}
   AND ${eventNumber} <= ${until}`;

/** A list of `["id` and what ends each, in JSON, whose parts need no quoting; what is between is put in at once. */
const listOf = (each: string, end: string): string =>
  `'[["' || group_concat(${each}, ${end} || '],["') || ${end} || ']]'`;

/** `[[jobId], …]`. */
export const jobsAlone = listOf('jobs.id', `'"'`);

/** `[[jobId, attempt], …]`. */
export const jobsAndAttempts = listOf(`jobs.id || '",' || jobs.attempt`, `''`);

/** The same where all are of this attempt. */
export const jobsOfAttempt = (attempt: string): string => listOf('jobs.id', `'",' || ${attempt}`);

/** The queue of all the jobs of a set, if it is one. */
export const onlyQueue = 'iif(min(jobs.queue) = max(jobs.queue), min(jobs.queue), NULL)';

/** The beginning of an INSERT of a set, in expressions; `FROM … jobs` follows, then `HAVING count(*) > 0`. */
export const insertSet = (event: {
  kind: string;
  workerId: string;
  data: string;
  queue: string;
  token: string;
  jobs: string;
}): string =>
  `INSERT INTO events (seq, at_ms, kind, worker_id, data, jobs, job_count, queue, token)
   SELECT coalesce((SELECT max(seq) FROM events), 0) + count(*), :nowMs, '${event.kind}', ${event.workerId},
     ${event.data}, ${event.jobs}, count(*), ${event.queue}, ${event.token}`;
