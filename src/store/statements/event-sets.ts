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

/** The beginning of an INSERT of a set; `FROM … jobs` follows, then `HAVING count(*) > 0`. */
export const insertSet = (event: { kind: string; data: string; token: string }): string =>
  `INSERT INTO events (seq, at_ms, kind, worker_id, data, jobs, job_count, token)
   SELECT coalesce((SELECT max(seq) FROM events), 0) + count(*), :nowMs, '${event.kind}', :workerId, '${event.data}',
     '[' || group_concat('["' || jobs.id || '",' || jobs.attempt || ']') || ']', count(*), ${event.token}`;
