-- When a job starts, how often it may be there, and how it is found again.

-- Order of a claim: a job of priority P stands where one without priority would, had it been due P minutes
-- earlier. It is a column of its own, so that a claim reads one range of one index, and no write can forget it.
ALTER TABLE jobs ADD COLUMN rank_ms INTEGER GENERATED ALWAYS AS (run_at_ms - priority * 60000) VIRTUAL;
-- Until when it must have been started; null when that does not matter, or matters no more.
ALTER TABLE jobs ADD COLUMN expires_at_ms INTEGER;
ALTER TABLE jobs ADD COLUMN idempotency_key TEXT;
ALTER TABLE jobs ADD COLUMN unique_key TEXT;
ALTER TABLE jobs ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';

DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (queue, executor, rank_ms, seq) WHERE state = 'pending';
CREATE INDEX jobs_expiring ON jobs (expires_at_ms, seq)
  WHERE state IN ('pending', 'scheduled') AND expires_at_ms IS NOT NULL;
CREATE UNIQUE INDEX jobs_idempotent ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;
-- At most one job that has not ended.
CREATE UNIQUE INDEX jobs_unique ON jobs (queue, unique_key) WHERE unique_key IS NOT NULL AND ended_at_ms IS NULL;
CREATE INDEX jobs_by_tenant ON jobs (tenant) WHERE tenant <> 'default';

CREATE TABLE job_labels (
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  job_seq INTEGER NOT NULL,
  PRIMARY KEY (name, value, job_seq)
) STRICT, WITHOUT ROWID;

-- Labels follow from the spec, so they come and go with it.
CREATE TRIGGER job_labelled AFTER INSERT ON job_data WHEN NEW.spec->'labels' IS NOT NULL BEGIN
  INSERT INTO job_labels (name, value, job_seq)
    SELECT label.key, label.value, NEW.seq FROM json_each(NEW.spec, '$.labels') AS label;
END;

CREATE TRIGGER job_unlabelled AFTER DELETE ON job_data WHEN OLD.spec->'labels' IS NOT NULL BEGIN
  DELETE FROM job_labels WHERE job_seq = OLD.seq AND (name, value) IN (
    SELECT label.key, label.value FROM json_each(OLD.spec, '$.labels') AS label);
END;

CREATE TRIGGER job_postponed AFTER UPDATE OF run_at_ms ON jobs
  WHEN OLD.state = NEW.state AND OLD.run_at_ms <> NEW.run_at_ms BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, data)
    VALUES (NEW.updated_at_ms, 'job.postponed', NEW.id, NEW.attempt, json_object('runAtMs', NEW.run_at_ms));
END;
