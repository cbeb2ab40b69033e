-- Queues as a resource: pause, limits of concurrency, retention; and how jobs are forgotten.
-- A queue without a row has the defaults. A null limit is none, a null time of retention is for ever.

CREATE TABLE queues (
  name TEXT NOT NULL PRIMARY KEY,
  paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
  concurrency_max INTEGER,
  key_concurrency_max INTEGER,
  completed_ms INTEGER,
  failed_ms INTEGER,
  cancelled_ms INTEGER,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER queue_created AFTER INSERT ON queues BEGIN
  INSERT INTO events (at_ms, kind, data)
    VALUES (NEW.updated_at_ms, 'queue.changed',
      json_object('queue', NEW.name, 'paused', NEW.paused, 'concurrencyMax', NEW.concurrency_max,
        'concurrencyMaxPerKey', NEW.key_concurrency_max));
END;

CREATE TRIGGER queue_changed AFTER UPDATE ON queues BEGIN
  INSERT INTO events (at_ms, kind, data)
    VALUES (NEW.updated_at_ms, 'queue.changed',
      json_object('queue', NEW.name, 'paused', NEW.paused, 'concurrencyMax', NEW.concurrency_max,
        'concurrencyMaxPerKey', NEW.key_concurrency_max));
END;

ALTER TABLE jobs ADD COLUMN concurrency_key TEXT;
-- Of a pending job only: its key has no room, so it is not in the index of the ready jobs.
ALTER TABLE jobs ADD COLUMN waits_for_key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN forgotten_at_ms INTEGER;

DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (queue, executor, rank_ms, seq)
  WHERE state = 'pending' AND waits_for_key = 0;
CREATE INDEX jobs_by_key ON jobs (queue, waits_for_key, concurrency_key, rank_ms, seq)
  WHERE state = 'pending' AND concurrency_key IS NOT NULL;
CREATE INDEX jobs_held_by_key ON jobs (queue, concurrency_key)
  WHERE state IN ('claimed', 'running') AND concurrency_key IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (queue, state, ended_at_ms)
  WHERE state IN ('completed', 'failed', 'cancelled');
CREATE INDEX jobs_failed ON jobs (queue, reason) WHERE state = 'failed';

-- Of a key with a limit, the best waiting jobs are ready, as many as there is room for beside those that are
-- held. So however many jobs a claim takes, no key gets above its limit, and a claim never meets a job of a full
-- key. Held jobs and ready ones are counted from the rows: at most the limit of them.

CREATE TRIGGER job_with_key_submitted AFTER INSERT ON jobs
  WHEN NEW.state = 'pending' AND NEW.concurrency_key IS NOT NULL
    AND EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND key_concurrency_max IS NOT NULL) BEGIN
  UPDATE jobs SET waits_for_key = 1
    WHERE seq = (
        SELECT worst.seq FROM jobs AS worst INDEXED BY jobs_by_key
        WHERE worst.queue = NEW.queue AND worst.waits_for_key = 0
          AND worst.concurrency_key = NEW.concurrency_key AND worst.state = 'pending'
        ORDER BY worst.rank_ms DESC, worst.seq DESC LIMIT 1)
      AND (SELECT key_concurrency_max FROM queues WHERE name = NEW.queue) < (
        SELECT count(*) FROM jobs AS held INDEXED BY jobs_held_by_key
        WHERE held.queue = NEW.queue AND held.concurrency_key = NEW.concurrency_key
          AND held.state IN ('claimed', 'running')) + (
        SELECT count(*) FROM jobs AS ready INDEXED BY jobs_by_key
        WHERE ready.queue = NEW.queue AND ready.waits_for_key = 0
          AND ready.concurrency_key = NEW.concurrency_key AND ready.state = 'pending');
END;

CREATE TRIGGER job_with_key_waits AFTER UPDATE OF state ON jobs
  WHEN NEW.state = 'pending' AND OLD.state <> 'pending' AND NEW.concurrency_key IS NOT NULL
    AND EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND key_concurrency_max IS NOT NULL) BEGIN
  UPDATE jobs SET waits_for_key = 1
    WHERE seq = (
        SELECT worst.seq FROM jobs AS worst INDEXED BY jobs_by_key
        WHERE worst.queue = NEW.queue AND worst.waits_for_key = 0
          AND worst.concurrency_key = NEW.concurrency_key AND worst.state = 'pending'
        ORDER BY worst.rank_ms DESC, worst.seq DESC LIMIT 1)
      AND (SELECT key_concurrency_max FROM queues WHERE name = NEW.queue) < (
        SELECT count(*) FROM jobs AS held INDEXED BY jobs_held_by_key
        WHERE held.queue = NEW.queue AND held.concurrency_key = NEW.concurrency_key
          AND held.state IN ('claimed', 'running')) + (
        SELECT count(*) FROM jobs AS ready INDEXED BY jobs_by_key
        WHERE ready.queue = NEW.queue AND ready.waits_for_key = 0
          AND ready.concurrency_key = NEW.concurrency_key AND ready.state = 'pending');
END;

CREATE TRIGGER job_with_key_left AFTER UPDATE OF state ON jobs
  WHEN NEW.concurrency_key IS NOT NULL AND OLD.waits_for_key = 0
    AND OLD.state IN ('pending', 'claimed', 'running')
    AND NEW.state NOT IN ('pending', 'claimed', 'running')
    AND EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND key_concurrency_max IS NOT NULL) BEGIN
  UPDATE jobs SET waits_for_key = 0
    WHERE seq = (
        SELECT best.seq FROM jobs AS best INDEXED BY jobs_by_key
        WHERE best.queue = NEW.queue AND best.waits_for_key = 1
          AND best.concurrency_key = NEW.concurrency_key AND best.state = 'pending'
        ORDER BY best.rank_ms, best.seq LIMIT 1)
      AND (SELECT key_concurrency_max FROM queues WHERE name = NEW.queue) > (
        SELECT count(*) FROM jobs AS held INDEXED BY jobs_held_by_key
        WHERE held.queue = NEW.queue AND held.concurrency_key = NEW.concurrency_key
          AND held.state IN ('claimed', 'running')) + (
        SELECT count(*) FROM jobs AS ready INDEXED BY jobs_by_key
        WHERE ready.queue = NEW.queue AND ready.waits_for_key = 0
          AND ready.concurrency_key = NEW.concurrency_key AND ready.state = 'pending');
END;

-- One that ends while it waits for its key must not be found waiting when it is retried.
CREATE TRIGGER job_no_longer_waits AFTER UPDATE OF state ON jobs
  WHEN OLD.waits_for_key = 1 AND NEW.state <> 'pending' BEGIN
  UPDATE jobs SET waits_for_key = 0 WHERE seq = NEW.seq;
END;

-- Logs are folders: that they must go is on disk before they do, in the transaction that forgets their job.
CREATE TABLE logs_to_remove (
  job_id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Marked first, so that the event has a time; the row goes in the same statement, and with it all that is its own.
CREATE TRIGGER job_forgotten AFTER UPDATE OF forgotten_at_ms ON jobs
  WHEN NEW.forgotten_at_ms IS NOT NULL BEGIN
  DELETE FROM job_data WHERE seq = NEW.seq;
  DELETE FROM attempts WHERE job_id = NEW.id;
  UPDATE job_counts SET n = n - 1 WHERE queue = NEW.queue AND state = NEW.state;
  INSERT INTO logs_to_remove (job_id) VALUES (NEW.id) ON CONFLICT (job_id) DO NOTHING;
  INSERT INTO events (at_ms, kind, job_id, data)
    VALUES (NEW.forgotten_at_ms, 'job.forgotten', NEW.id, json_object('from', NEW.state, 'queue', NEW.queue));
  DELETE FROM jobs WHERE seq = NEW.seq;
END;
