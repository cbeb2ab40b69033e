-- Jobs by queue and state in an index for each kind of state: an entry that moves within one tree, from its middle to
-- its middle, splits pages there at each step. And conditions begin with what is false of most jobs and cheapest to
-- tell: every step of a job asks each index that looks at its state, before and after.

DROP INDEX jobs_by_queue_and_state;
CREATE INDEX jobs_waiting ON jobs (queue, state) WHERE state = 'pending' OR state = 'scheduled' OR state = 'blocked';
CREATE INDEX jobs_taken ON jobs (queue, state) WHERE state = 'claimed' OR state = 'running';
CREATE INDEX jobs_over ON jobs (queue, state) WHERE ended_at_ms IS NOT NULL;

DROP INDEX jobs_cancelling;
CREATE INDEX jobs_cancelling ON jobs (worker_id)
  WHERE cancel_requested_at_ms IS NOT NULL AND state = 'running';
DROP INDEX jobs_by_key;
CREATE INDEX jobs_by_key ON jobs (queue, waits_for_key, concurrency_key, rank_ms, seq)
  WHERE concurrency_key IS NOT NULL AND state = 'pending';
DROP INDEX jobs_held_by_key;
CREATE INDEX jobs_held_by_key ON jobs (queue, concurrency_key)
  WHERE concurrency_key IS NOT NULL AND state IN ('claimed', 'running');
