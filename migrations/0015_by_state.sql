-- Jobs by queue and state in an index for each kind of state: in small trees with short entries a step of a job costs
-- less than in one that has all jobs. Those that are taken are told apart by their rows: they are no more than workers
-- hold, and a start moves no entry.

DROP INDEX jobs_by_queue_and_state;
CREATE INDEX jobs_pending ON jobs (queue) WHERE state = 'pending';
CREATE INDEX jobs_waiting ON jobs (queue, state) WHERE state = 'scheduled' OR state = 'blocked';
CREATE INDEX jobs_taken ON jobs (queue) WHERE state = 'claimed' OR state = 'running';
CREATE INDEX jobs_over ON jobs (queue, state) WHERE ended_at_ms IS NOT NULL;

-- The same indexes under conditions that begin with what is cheapest to tell and false of most jobs: every step of a job
-- asks each index that looks at its state, before and after.

DROP INDEX jobs_cancelling;
CREATE INDEX jobs_cancelling ON jobs (worker_id)
  WHERE cancel_requested_at_ms IS NOT NULL AND state = 'running';
DROP INDEX jobs_by_key;
CREATE INDEX jobs_by_key ON jobs (queue, waits_for_key, concurrency_key, rank_ms, seq)
  WHERE concurrency_key IS NOT NULL AND state = 'pending';
DROP INDEX jobs_held_by_key;
CREATE INDEX jobs_held_by_key ON jobs (queue, concurrency_key)
  WHERE concurrency_key IS NOT NULL AND state IN ('claimed', 'running');
