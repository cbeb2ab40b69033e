/** Rules of submits that were answered with the job of another. */
import { limits } from '../../domain/limits.ts';
import type { Rule } from './rule.ts';

export const answerRules: readonly Rule[] = [
  {
    invariant: 'store',
    rule: 'the answer to a submit outlives its job, or that has no unique key',
    over: 'jobs',
    sql: `SELECT submit_id, job_seq FROM submit_answers
      WHERE job_seq NOT IN (SELECT seq FROM jobs WHERE unique_key IS NOT NULL) ORDER BY submit_id`,
  },
  {
    invariant: 'store',
    rule: 'a submit was answered with another job and has stored its own, too',
    over: 'jobs',
    sql: `SELECT submit_id, submit_key FROM submit_answers
      WHERE submit_id IN (SELECT id FROM jobs)
        OR submit_key IN (SELECT idempotency_key FROM jobs WHERE idempotency_key IS NOT NULL) ORDER BY submit_id`,
  },
  {
    invariant: 'store',
    rule: 'too many answers of one job are kept',
    over: 'jobs',
    sql: `SELECT job_seq, max(place) - min(place) + 1 AS places FROM submit_answers
      GROUP BY job_seq HAVING places > ${limits.answersPerJob} ORDER BY job_seq`,
  },
];
