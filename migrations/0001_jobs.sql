-- Jobs, their attempts, the workers that run them, and what happened to all of them.
-- Times are epoch ms and ids are UUID v7 text, both given by the caller; only seq is made by the store.

CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  queue TEXT NOT NULL,
  executor TEXT NOT NULL,
  image TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN
    ('blocked', 'scheduled', 'pending', 'claimed', 'running', 'completed', 'failed', 'cancelled')),
  priority INTEGER NOT NULL DEFAULT 0,
  run_at_ms INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  attempts_used INTEGER NOT NULL DEFAULT 0,
  attempts_max INTEGER NOT NULL,
  infra_failures INTEGER NOT NULL DEFAULT 0,
  worker_id TEXT,
  worker_generation INTEGER,
  claim_token TEXT,
  reason TEXT,
  exit_code INTEGER,
  signal INTEGER,
  message TEXT,
  cancel_requested_at_ms INTEGER,
  cancel_reason TEXT,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  started_at_ms INTEGER,
  ended_at_ms INTEGER
) STRICT;

-- Apart from jobs, because an UPDATE writes the whole row anew.
CREATE TABLE job_data (
  seq INTEGER PRIMARY KEY,
  spec TEXT NOT NULL
) STRICT;

-- Exactly the order of a claim, over nothing but what can be claimed.
CREATE INDEX jobs_ready ON jobs (queue, executor, priority DESC, run_at_ms, seq) WHERE state = 'pending';
CREATE INDEX jobs_scheduled ON jobs (run_at_ms, seq) WHERE state = 'scheduled';
CREATE INDEX jobs_held ON jobs (worker_id, claim_token) WHERE state IN ('claimed', 'running');
CREATE INDEX jobs_cancelling ON jobs (worker_id)
  WHERE state = 'running' AND cancel_requested_at_ms IS NOT NULL;
-- Pages of a list, newest first: every index ends in seq.
CREATE INDEX jobs_by_state ON jobs (state);
CREATE INDEX jobs_by_queue ON jobs (queue);
CREATE INDEX jobs_by_queue_and_state ON jobs (queue, state);

CREATE TABLE attempts (
  job_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('claimed', 'running', 'ended')),
  worker_id TEXT NOT NULL,
  worker_generation INTEGER NOT NULL,
  claimed_at_ms INTEGER NOT NULL,
  started_at_ms INTEGER,
  ended_at_ms INTEGER,
  reason TEXT,
  exit_code INTEGER,
  signal INTEGER,
  message TEXT,
  vm TEXT,
  usage TEXT,
  PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
  id TEXT NOT NULL PRIMARY KEY,
  generation INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('online', 'draining', 'offline')),
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  pid INTEGER NOT NULL,
  slots INTEGER NOT NULL,
  queues TEXT NOT NULL,
  executors TEXT NOT NULL,
  registered_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  lease_until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX workers_by_state ON workers (state, id);
CREATE INDEX workers_leased ON workers (lease_until_ms, id) WHERE state IN ('online', 'draining');

CREATE TABLE worker_images (
  image TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (image, worker_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX worker_images_by_worker ON worker_images (worker_id);

-- seq has no gap: rows are only ever added at the end, in the transaction of the change they tell.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  job_id TEXT,
  attempt INTEGER,
  worker_id TEXT,
  data TEXT NOT NULL
) STRICT;

CREATE INDEX events_by_job ON events (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE job_counts (
  queue TEXT NOT NULL,
  state TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (queue, state)
) STRICT, WITHOUT ROWID;

-- Counts, attempts and events follow from the change of the job itself: no command can forget one, and
-- a guarded write that changes nothing tells nothing.

CREATE TRIGGER job_submitted AFTER INSERT ON jobs BEGIN
  INSERT INTO job_counts (queue, state, n) VALUES (NEW.queue, NEW.state, 1)
    ON CONFLICT (queue, state) DO UPDATE SET n = n + 1;
  INSERT INTO events (at_ms, kind, job_id, data)
    VALUES (NEW.created_at_ms, 'job.submitted', NEW.id,
      json_object('state', NEW.state, 'queue', NEW.queue, 'executor', NEW.executor, 'image', NEW.image));
END;

CREATE TRIGGER job_counted AFTER UPDATE OF state ON jobs WHEN OLD.state <> NEW.state BEGIN
  UPDATE job_counts SET n = n - 1 WHERE queue = OLD.queue AND state = OLD.state;
  INSERT INTO job_counts (queue, state, n) VALUES (NEW.queue, NEW.state, 1)
    ON CONFLICT (queue, state) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER job_claimed AFTER UPDATE OF state ON jobs
  WHEN OLD.state <> NEW.state AND NEW.state = 'claimed' BEGIN
  INSERT INTO attempts (job_id, attempt, state, worker_id, worker_generation, claimed_at_ms)
    VALUES (NEW.id, NEW.attempt, 'claimed', NEW.worker_id, NEW.worker_generation, NEW.updated_at_ms);
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.claimed', NEW.id, NEW.attempt, NEW.worker_id,
      json_object('from', OLD.state));
END;

CREATE TRIGGER job_started AFTER UPDATE OF state ON jobs
  WHEN OLD.state <> NEW.state AND NEW.state = 'running' BEGIN
  UPDATE attempts SET state = 'running', started_at_ms = NEW.started_at_ms
    WHERE job_id = NEW.id AND attempt = NEW.attempt;
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.running', NEW.id, NEW.attempt, NEW.worker_id,
      json_object('from', OLD.state));
END;

CREATE TRIGGER job_attempt_ended AFTER UPDATE OF state ON jobs
  WHEN OLD.state IN ('claimed', 'running') AND NEW.state NOT IN ('claimed', 'running') BEGIN
  UPDATE attempts SET state = 'ended', ended_at_ms = NEW.updated_at_ms, reason = NEW.reason,
      exit_code = NEW.exit_code, signal = NEW.signal, message = NEW.message
    WHERE job_id = NEW.id AND attempt = NEW.attempt;
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.' || NEW.state, NEW.id, NEW.attempt, OLD.worker_id,
      json_object('from', OLD.state, 'reason', NEW.reason, 'exitCode', NEW.exit_code, 'signal', NEW.signal,
        'message', NEW.message, 'runAtMs', NEW.run_at_ms));
END;

CREATE TRIGGER job_moved AFTER UPDATE OF state ON jobs
  WHEN OLD.state <> NEW.state AND OLD.state NOT IN ('claimed', 'running')
    AND NEW.state NOT IN ('claimed', 'running') BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, data)
    VALUES (NEW.updated_at_ms, 'job.' || NEW.state, NEW.id, NEW.attempt,
      json_object('from', OLD.state, 'reason', NEW.reason, 'message', NEW.message, 'runAtMs', NEW.run_at_ms));
END;

CREATE TRIGGER job_cancel_requested AFTER UPDATE OF cancel_requested_at_ms ON jobs
  WHEN NEW.state = 'running' AND OLD.cancel_requested_at_ms IS NULL
    AND NEW.cancel_requested_at_ms IS NOT NULL BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.cancel_requested', NEW.id, NEW.attempt, NEW.worker_id,
      json_object('reason', NEW.cancel_reason));
END;

CREATE TRIGGER worker_joined AFTER INSERT ON workers BEGIN
  INSERT INTO events (at_ms, kind, worker_id, data)
    VALUES (NEW.updated_at_ms, 'worker.registered', NEW.id,
      json_object('generation', NEW.generation, 'name', NEW.name));
END;

CREATE TRIGGER worker_registered_again AFTER UPDATE OF generation ON workers
  WHEN OLD.generation <> NEW.generation BEGIN
  INSERT INTO events (at_ms, kind, worker_id, data)
    VALUES (NEW.updated_at_ms, 'worker.registered', NEW.id,
      json_object('generation', NEW.generation, 'name', NEW.name));
END;

CREATE TRIGGER worker_moved AFTER UPDATE OF state ON workers
  WHEN OLD.state <> NEW.state AND NEW.state <> 'online' BEGIN
  INSERT INTO events (at_ms, kind, worker_id, data)
    VALUES (NEW.updated_at_ms, 'worker.' || NEW.state, NEW.id,
      json_object('generation', NEW.generation, 'from', OLD.state));
END;
