-- Fewer and smaller writes for each step of a job: its newest attempt stands in its own row, the totals of a queue
-- in one row, and one trigger writes the one event of each step.

-- Set while the newest attempt stands in this row, that is, from its claim until the job waits again.
ALTER TABLE jobs ADD COLUMN claimed_at_ms INTEGER;
ALTER TABLE jobs ADD COLUMN vm TEXT;
ALTER TABLE jobs ADD COLUMN usage TEXT;

DROP TRIGGER job_submitted;
DROP TRIGGER job_counted;
DROP TRIGGER job_claimed;
DROP TRIGGER job_started;
DROP TRIGGER job_attempt_ended;
DROP TRIGGER job_moved;
DROP TRIGGER job_forgotten;

-- Of a job that ended while it waited, the newest attempt had ended before.
UPDATE jobs SET claimed_at_ms = newest.claimed_at_ms, vm = newest.vm, usage = newest.usage
  FROM attempts AS newest
  WHERE newest.job_id = jobs.id AND newest.attempt = jobs.attempt
    AND (jobs.state IN ('claimed', 'running')
      OR (newest.ended_at_ms = jobs.ended_at_ms AND newest.reason IS jobs.reason));

-- Earlier attempts, and the last one of a job that waits.
CREATE TABLE past_attempts (
  job_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  worker_id TEXT NOT NULL,
  worker_generation INTEGER NOT NULL,
  claimed_at_ms INTEGER NOT NULL,
  started_at_ms INTEGER,
  ended_at_ms INTEGER NOT NULL,
  reason TEXT,
  exit_code INTEGER,
  signal INTEGER,
  message TEXT,
  vm TEXT,
  usage TEXT,
  PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;

INSERT INTO past_attempts
  SELECT job_id, attempt, worker_id, worker_generation, claimed_at_ms, started_at_ms, ended_at_ms, reason,
    exit_code, signal, message, vm, usage
  FROM attempts
  WHERE NOT EXISTS (
    SELECT 1 FROM jobs
    WHERE jobs.id = attempts.job_id AND jobs.attempt = attempts.attempt AND jobs.claimed_at_ms IS NOT NULL);
DROP TABLE attempts;

CREATE TABLE queue_counts (
  queue TEXT NOT NULL PRIMARY KEY,
  blocked INTEGER NOT NULL DEFAULT 0,
  scheduled INTEGER NOT NULL DEFAULT 0,
  pending INTEGER NOT NULL DEFAULT 0,
  claimed INTEGER NOT NULL DEFAULT 0,
  running INTEGER NOT NULL DEFAULT 0,
  completed INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

INSERT INTO queue_counts
  SELECT queue,
    sum(iif(state = 'blocked', n, 0)), sum(iif(state = 'scheduled', n, 0)), sum(iif(state = 'pending', n, 0)),
    sum(iif(state = 'claimed', n, 0)), sum(iif(state = 'running', n, 0)), sum(iif(state = 'completed', n, 0)),
    sum(iif(state = 'failed', n, 0)), sum(iif(state = 'cancelled', n, 0))
  FROM job_counts GROUP BY queue;
DROP TABLE job_counts;

-- Two plain statements cost a third of one ON CONFLICT DO UPDATE.
CREATE TRIGGER job_submitted AFTER INSERT ON jobs BEGIN
  INSERT INTO queue_counts (queue) VALUES (NEW.queue) ON CONFLICT (queue) DO NOTHING;
  UPDATE queue_counts SET blocked = blocked + (NEW.state = 'blocked'),
    scheduled = scheduled + (NEW.state = 'scheduled'), pending = pending + (NEW.state = 'pending')
    WHERE queue = NEW.queue;
  INSERT INTO events (at_ms, kind, job_id, data)
    VALUES (NEW.created_at_ms, 'job.submitted', NEW.id,
      '{"state":"' || NEW.state || '","queue":"' || NEW.queue || '","executor":"' || NEW.executor
        || '","image":"' || NEW.image || '"}');
END;

-- The names in these texts need no quoting. json_patch leaves out what is null.
CREATE TRIGGER job_moved AFTER UPDATE OF state ON jobs WHEN OLD.state <> NEW.state BEGIN
  UPDATE queue_counts SET
    blocked = blocked + (NEW.state = 'blocked') - (OLD.state = 'blocked'),
    scheduled = scheduled + (NEW.state = 'scheduled') - (OLD.state = 'scheduled'),
    pending = pending + (NEW.state = 'pending') - (OLD.state = 'pending'),
    claimed = claimed + (NEW.state = 'claimed') - (OLD.state = 'claimed'),
    running = running + (NEW.state = 'running') - (OLD.state = 'running'),
    completed = completed + (NEW.state = 'completed') - (OLD.state = 'completed'),
    failed = failed + (NEW.state = 'failed') - (OLD.state = 'failed'),
    cancelled = cancelled + (NEW.state = 'cancelled') - (OLD.state = 'cancelled')
    WHERE queue = NEW.queue;
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.' || NEW.state, NEW.id, NEW.attempt,
      CASE WHEN NEW.state = 'claimed' OR OLD.state IN ('claimed', 'running') THEN NEW.worker_id END,
      CASE
        WHEN NEW.state IN ('claimed', 'running') THEN '{"from":"' || OLD.state || '"}'
        WHEN NEW.state = 'completed' AND NEW.message IS NULL
          THEN '{"from":"' || OLD.state || '","reason":"exit","exitCode":0}'
        ELSE json_patch('{}', json_object('from', OLD.state, 'reason', NEW.reason, 'exitCode', NEW.exit_code,
          'signal', NEW.signal, 'message', NEW.message,
          'runAtMs', CASE WHEN NEW.state IN ('scheduled', 'pending') THEN NEW.run_at_ms END))
      END);
END;

-- A job that was held or had ended waits again: its attempt goes to the earlier ones.
-- A list of more than two values in a WHEN is made into a table, for every row.
CREATE TRIGGER job_attempt_passed AFTER UPDATE OF state ON jobs
  WHEN OLD.claimed_at_ms IS NOT NULL AND NEW.ended_at_ms IS NULL
    AND NEW.state <> 'claimed' AND NEW.state <> 'running' BEGIN
  INSERT INTO past_attempts (job_id, attempt, worker_id, worker_generation, claimed_at_ms, started_at_ms,
      ended_at_ms, reason, exit_code, signal, message, vm, usage)
    SELECT NEW.id, NEW.attempt, NEW.worker_id, NEW.worker_generation, NEW.claimed_at_ms,
      iif(OLD.ended_at_ms IS NULL, NEW.started_at_ms, OLD.started_at_ms),
      coalesce(OLD.ended_at_ms, NEW.updated_at_ms),
      iif(OLD.ended_at_ms IS NULL, NEW.reason, OLD.reason),
      iif(OLD.ended_at_ms IS NULL, NEW.exit_code, OLD.exit_code),
      iif(OLD.ended_at_ms IS NULL, NEW.signal, OLD.signal),
      iif(OLD.ended_at_ms IS NULL, NEW.message, OLD.message), NEW.vm, NEW.usage;
  UPDATE jobs SET claimed_at_ms = NULL, vm = NULL, usage = NULL WHERE seq = NEW.seq;
END;

-- Marked first, so that the event has a time; the row goes in the same statement, and with it all that is its own.
CREATE TRIGGER job_forgotten AFTER UPDATE OF forgotten_at_ms ON jobs
  WHEN NEW.forgotten_at_ms IS NOT NULL BEGIN
  DELETE FROM job_data WHERE seq = NEW.seq;
  DELETE FROM past_attempts WHERE job_id = NEW.id;
  UPDATE queue_counts SET completed = completed - (NEW.state = 'completed'),
    failed = failed - (NEW.state = 'failed'), cancelled = cancelled - (NEW.state = 'cancelled')
    WHERE queue = NEW.queue;
  INSERT INTO logs_to_remove (job_id) VALUES (NEW.id) ON CONFLICT (job_id) DO NOTHING;
  INSERT INTO events (at_ms, kind, job_id, data)
    VALUES (NEW.forgotten_at_ms, 'job.forgotten', NEW.id, json_object('from', NEW.state, 'queue', NEW.queue));
  DELETE FROM jobs WHERE seq = NEW.seq;
END;

-- Pages of one queue, or of one state, are made of pages of both.
DROP INDEX jobs_by_state;
DROP INDEX jobs_by_queue;

-- The same index of ended jobs under a condition that is cheap for every job that has not ended.
DROP INDEX jobs_ended;
CREATE INDEX jobs_ended ON jobs (queue, state, ended_at_ms) WHERE ended_at_ms IS NOT NULL;
