/** Submits that a unique policy answered with the job of another: written down with the answer, so that it stands. */
import { define } from './define.ts';
import { isUnused, jobColumns, type NewJob } from './jobs.ts';
import { holderOf, isWaiting, nothingElseInTheWay } from './submit.ts';

type Answer = NewJob & { digest: string };

/** A submit whose id or key was answered before keeps that answer. */
const insertAnswer = (conditions: string): string =>
  `INSERT OR IGNORE INTO submit_answers (submit_id, submit_key, job_id, place, digest)
   SELECT :id, :idempotencyKey, jobs.id, 1 + coalesce((
     SELECT max(place) FROM submit_answers INDEXED BY submit_answers_by_job WHERE job_id = jobs.id), 0), :digest
   FROM ${holderOf(':queue', ':uniqueKey')}
     AND NOT EXISTS (SELECT 1 FROM jobs AS mine WHERE mine.id = :id)
     AND NOT EXISTS (
       SELECT 1 FROM jobs AS mine INDEXED BY jobs_idempotent WHERE mine.idempotency_key = :idempotencyKey)
     AND ${isUnused(':id', ':idempotencyKey')} ${conditions}`;

/** The ids of the answered submits with this id, and with this key. */
const answered = `SELECT submit_id FROM submit_answers WHERE submit_id = :id UNION ALL
  SELECT submit_id FROM submit_answers INDEXED BY submit_answers_by_key WHERE submit_key = :key`;

/** The answer of the policy `existing`, for the insert that follows in the same batch: the holder of the unique key. */
export const answerExisting = define<Answer>('answers.existing', insertAnswer(''));

/** The answer of `debounce`: the job that `postpone` has moved right before, on the same conditions. */
export const answerPostponed = define<Answer>(
  'answers.postponed',
  insertAnswer(`AND ${isWaiting} AND ${nothingElseInTheWay}`),
);

/** The job that a submit with this id, or else with this key, was answered with. */
export const answerOf = define<{ id: string; key: string | null }>(
  'answers.of',
  `SELECT submit_id, digest, ${jobColumns} FROM submit_answers CROSS JOIN jobs
   WHERE submit_id = coalesce((
       SELECT submit_id FROM submit_answers CROSS JOIN jobs AS mine WHERE submit_id = :id AND mine.id = job_id), (
       SELECT submit_id FROM submit_answers INDEXED BY submit_answers_by_key WHERE submit_key = :key))
     AND jobs.id = job_id`,
);

/** What a submit with this id or key was answered, if the job that names is gone; mostly that is forgotten already. */
export const forgetAnswer = define<{ id: string; key: string | null }>(
  'answers.forgetOne',
  `DELETE FROM submit_answers WHERE submit_id IN (${answered})
     AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = submit_answers.job_id)`,
);

/** Answers that name jobs of a JSON list of ids, which are gone. */
export const forgetAnswers = define<{ ids: string; limit: number }>(
  'answers.forget',
  `DELETE FROM submit_answers WHERE submit_id IN (
     SELECT submit_id FROM submit_answers INDEXED BY submit_answers_by_job
     WHERE job_id IN (SELECT value FROM json_each(:ids)) ORDER BY job_id, place LIMIT +:limit)`,
);
