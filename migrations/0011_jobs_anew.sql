-- The table of jobs as it was but for its checks: a list of more than two values in a CHECK is made into a table, for
-- every row that is written: about a sixth of an insert. Its triggers go with the old table; 0012 makes them anew.

DROP TRIGGER job_runs_after;
ALTER TABLE jobs RENAME TO jobs_before;
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  queue TEXT NOT NULL,
  executor TEXT NOT NULL,
  image TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state = 'pending' OR state = 'claimed' OR state = 'completed' OR state = 'running'
    OR state = 'scheduled' OR state = 'blocked' OR state = 'failed' OR state = 'cancelled'),
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
  ended_at_ms INTEGER,
  rank_ms INTEGER GENERATED ALWAYS AS (run_at_ms - priority * 60000) VIRTUAL,
  expires_at_ms INTEGER,
  idempotency_key TEXT,
  unique_key TEXT,
  tenant TEXT NOT NULL DEFAULT 'default',
  concurrency_key TEXT,
  waits_for_key INTEGER NOT NULL DEFAULT 0,
  forgotten_at_ms INTEGER,
  after_failed TEXT CHECK (after_failed IS NULL OR after_failed = 'fail' OR after_failed = 'run'
    OR after_failed = 'skip'),
  group_name TEXT,
  line TEXT,
  taken_at_ms INTEGER,
  cancelled_by TEXT,
  memory_mib INTEGER,
  used_by_reason TEXT,
  claimed_at_ms INTEGER,
  vm TEXT,
  usage TEXT
) STRICT;

INSERT INTO jobs (seq, id, queue, executor, image, state, priority, run_at_ms, attempt, attempts_used, attempts_max,
  infra_failures, worker_id, worker_generation, claim_token, reason, exit_code, signal, message,
  cancel_requested_at_ms, cancel_reason, created_at_ms, updated_at_ms, started_at_ms, ended_at_ms,
  expires_at_ms, idempotency_key, unique_key, tenant, concurrency_key, waits_for_key, forgotten_at_ms,
  after_failed, group_name, line, taken_at_ms, cancelled_by, memory_mib, used_by_reason, claimed_at_ms, vm,
  usage)
  SELECT seq, id, queue, executor, image, state, priority, run_at_ms, attempt, attempts_used, attempts_max,
  infra_failures, worker_id, worker_generation, claim_token, reason, exit_code, signal, message,
  cancel_requested_at_ms, cancel_reason, created_at_ms, updated_at_ms, started_at_ms, ended_at_ms,
  expires_at_ms, idempotency_key, unique_key, tenant, concurrency_key, waits_for_key, forgotten_at_ms,
  after_failed, group_name, line, taken_at_ms, cancelled_by, memory_mib, used_by_reason, claimed_at_ms, vm,
  usage
  FROM jobs_before;
DROP TABLE jobs_before;

CREATE INDEX jobs_scheduled ON jobs (run_at_ms, seq) WHERE state = 'scheduled';
CREATE INDEX jobs_held ON jobs (worker_id, claim_token) WHERE state IN ('claimed', 'running');
CREATE INDEX jobs_cancelling ON jobs (worker_id)
  WHERE state = 'running' AND cancel_requested_at_ms IS NOT NULL;
CREATE INDEX jobs_by_queue_and_state ON jobs (queue, state);
CREATE UNIQUE INDEX jobs_idempotent ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique ON jobs (queue, unique_key) WHERE unique_key IS NOT NULL AND ended_at_ms IS NULL;
CREATE INDEX jobs_by_tenant ON jobs (tenant) WHERE tenant <> 'default';
CREATE INDEX jobs_ready ON jobs (queue, executor, rank_ms, seq)
  WHERE state = 'pending' AND waits_for_key = 0;
CREATE INDEX jobs_by_key ON jobs (queue, waits_for_key, concurrency_key, rank_ms, seq)
  WHERE state = 'pending' AND concurrency_key IS NOT NULL;
CREATE INDEX jobs_held_by_key ON jobs (queue, concurrency_key)
  WHERE state IN ('claimed', 'running') AND concurrency_key IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (queue, reason) WHERE state = 'failed';
CREATE INDEX jobs_by_group ON jobs (group_name) WHERE group_name IS NOT NULL;
CREATE INDEX jobs_going_by_group ON jobs (group_name)
  WHERE group_name IS NOT NULL AND ended_at_ms IS NULL AND cancel_requested_at_ms IS NULL;
CREATE INDEX jobs_in_line ON jobs (queue, executor, line, rank_ms, seq)
  WHERE line IS NOT NULL AND state = 'pending' AND waits_for_key = 0;
CREATE INDEX jobs_ended ON jobs (queue, state, ended_at_ms) WHERE ended_at_ms IS NOT NULL;
CREATE INDEX jobs_expiring ON jobs (expires_at_ms, seq)
  WHERE expires_at_ms IS NOT NULL AND (state = 'blocked' OR state = 'scheduled' OR state = 'pending');

CREATE TRIGGER job_runs_after AFTER INSERT ON job_data
  WHEN EXISTS (SELECT 1 FROM jobs WHERE seq = NEW.seq AND after_failed IS NOT NULL) BEGIN
  INSERT INTO job_parents (child_seq, parent_id, state)
    SELECT NEW.seq, parent.id,
      CASE parent.state WHEN 'completed' THEN 'done' WHEN 'failed' THEN 'failed'
        WHEN 'cancelled' THEN 'cancelled' ELSE 'open' END
    FROM json_each(NEW.spec, '$.after') AS named CROSS JOIN jobs AS parent
    WHERE parent.id = named.value
    ON CONFLICT (child_seq, parent_id) DO NOTHING;
END;
