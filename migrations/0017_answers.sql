-- What submits were answered with that stored no job of their own: the job that a unique policy gave them. It is kept as
-- long as that job, so that the same id or idempotency key gives the same answer again. An answer whose job is gone counts
-- for nothing: it goes with the logs of that job, so many in one commit, or when it is in the way of a submit.

CREATE TABLE submit_answers (
  submit_id TEXT NOT NULL PRIMARY KEY,
  submit_key TEXT,
  job_id TEXT NOT NULL,
  place INTEGER NOT NULL,
  -- Of the spec that was submitted.
  digest TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX submit_answers_by_key ON submit_answers (submit_key) WHERE submit_key IS NOT NULL;
CREATE UNIQUE INDEX submit_answers_by_job ON submit_answers (job_id, place);

-- The newest of each job are kept; `answersPerJob` in src/domain/limits.ts is the same number.
CREATE TRIGGER submit_answered AFTER INSERT ON submit_answers BEGIN
  DELETE FROM submit_answers WHERE job_id = NEW.job_id AND place <= NEW.place - 10000;
END;
