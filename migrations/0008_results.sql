-- What jobs tell while they run and leave behind: progress, result, artifacts. Files of artifacts lie on disk beside
-- the logs, and go with them (logs_to_remove); here is only what they are.

CREATE TABLE job_progress (
  job_id TEXT NOT NULL PRIMARY KEY,
  attempt INTEGER NOT NULL,
  percent INTEGER,
  message TEXT NOT NULL,
  -- How often this attempt has told: so many events it gets at most, its progress is kept beyond that.
  told INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest that any attempt has left.
CREATE TABLE job_results (
  job_id TEXT NOT NULL PRIMARY KEY,
  attempt INTEGER NOT NULL,
  result TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;

-- A row is written when the file is whole and on disk; a file without one is not there for anybody.
CREATE TABLE artifacts (
  job_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (job_id, attempt, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER job_progress_begun AFTER INSERT ON job_progress BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, data)
    VALUES (NEW.at_ms, 'job.progress', NEW.job_id, NEW.attempt,
      json_object('percent', NEW.percent, 'message', NEW.message));
END;

CREATE TRIGGER job_progress_went_on AFTER UPDATE ON job_progress WHEN NEW.told <= 1000 BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, data)
    VALUES (NEW.at_ms, 'job.progress', NEW.job_id, NEW.attempt,
      json_object('percent', NEW.percent, 'message', NEW.message));
END;

CREATE TRIGGER job_tellings_forgotten AFTER DELETE ON jobs BEGIN
  DELETE FROM job_progress WHERE job_id = OLD.id;
  DELETE FROM job_results WHERE job_id = OLD.id;
  DELETE FROM artifacts WHERE job_id = OLD.id;
END;
