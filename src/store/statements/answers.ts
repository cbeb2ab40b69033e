/** Submits that a unique policy answered with the job of another: written down with the answer, so that it stands. */
import { define } from './define.ts';
import { jobColumns, type NewJob } from './jobs.ts';
import { holderOf, isWaiting, nothingElseInTheWay } from './submit.ts';

type Answer = NewJob & { digest: string };

/** A submit whose id or key was answered before keeps that answer. */
const insertAnswer = (conditions: string): string =>
  `INSERT OR IGNORE INTO submit_answers (submit_id, submit_key, job_seq, place, digest)
   SELECT :id, :idempotencyKey, jobs.seq, 1 + coalesce((
     SELECT max(place) FROM submit_answers INDEXED BY submit_answers_by_job WHERE job_seq = jobs.seq), 0), :digest
   FROM ${holderOf(':queue', ':uniqueKey')}
     AND NOT EXISTS (SELECT 1 FROM jobs AS mine WHERE mine.id = :id)
     AND NOT EXISTS (
       SELECT 1 FROM jobs AS mine INDEXED BY jobs_idempotent WHERE mine.idempotency_key = :idempotencyKey)
     ${conditions}`;

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
   WHERE submit_id = coalesce((SELECT submit_id FROM submit_answers WHERE submit_id = :id), (
     SELECT submit_id FROM submit_answers INDEXED BY submit_answers_by_key WHERE submit_key = :key))
     AND jobs.seq = job_seq`,
);
