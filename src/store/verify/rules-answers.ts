/** Rules of submits that were answered with the job of another. */
import { limits } from '../../domain/limits.ts';
import type { Rule } from './rule.ts';

export const answerRules: readonly Rule[] = [
  {
    invariant: 'store',
    rule: 'an answer names no job with a unique key',
    over: 'jobs',
    sql: `SELECT submit_id, job_id FROM submit_answers
      WHERE job_id NOT IN (SELECT id FROM jobs WHERE unique_key IS NOT NULL UNION ALL SELECT job_id FROM logs_to_remove)
      ORDER BY submit_id`,
  },
  {
    invariant: 'store',
    rule: 'an answered submit has a job of its own',
    over: 'jobs',
    sql: `SELECT submit_id, submit_key FROM submit_answers
      WHERE job_id IN (SELECT id FROM jobs) AND (submit_id IN (SELECT id FROM jobs)
        OR submit_key IN (SELECT idempotency_key FROM jobs WHERE idempotency_key IS NOT NULL)) ORDER BY submit_id`,
  },
  {
    invariant: 'store',
    rule: 'one job has too many answers',
    over: 'jobs',
    sql: `SELECT job_id, max(place) - min(place) + 1 AS places FROM submit_answers
      GROUP BY job_id HAVING places > ${limits.answersPerJob} ORDER BY job_id`,
  },
];
