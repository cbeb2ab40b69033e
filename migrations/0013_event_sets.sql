-- The two steps that nearly every job takes, claimed and completed, are told in sets: one row has the events of all the
-- jobs one statement has moved, and one update counts them: an event with its place in an index, and a count, for each
-- job cost as much as the step itself. The statements that take these steps tell them, and say so by the claim token: a
-- claim has one, and a job of a set that is completed has an empty one. All else is told by its trigger.

-- Such a row is one event of each of its jobs, [[id, attempt], ...]; seq is that of the last of them. The token is that
-- of the call, so that a call sent twice tells its claims once.
ALTER TABLE events ADD COLUMN jobs TEXT;
ALTER TABLE events ADD COLUMN job_count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE events ADD COLUMN token TEXT;
CREATE INDEX events_of_sets ON events (at_ms) WHERE jobs IS NOT NULL;

DROP TRIGGER job_with_key_waits;
DROP TRIGGER job_with_key_left;
DROP TRIGGER job_no_longer_waits;
DROP TRIGGER job_moved_in_group;
DROP TRIGGER job_came_into_line;
DROP TRIGGER job_left_line;
DROP TRIGGER job_claimed;
DROP TRIGGER job_completed;
DROP TRIGGER job_moved;
DROP TRIGGER job_attempt_passed;
DROP TRIGGER job_cancel_requested;

-- A trigger costs each step even where it has nothing to do, so what few jobs need stands in few.

CREATE TRIGGER job_waits_again AFTER UPDATE OF state ON jobs
  WHEN NEW.state = 'pending' AND OLD.state <> 'pending' BEGIN
  UPDATE jobs SET line = CASE (SELECT lines_by FROM queues WHERE name = NEW.queue)
      WHEN 'tenant' THEN NEW.tenant ELSE coalesce(NEW.concurrency_key, '') END
    WHERE seq = NEW.seq AND EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND lines_by <> 'none');
  UPDATE jobs SET waits_for_key = 1
    WHERE NEW.concurrency_key IS NOT NULL
      AND EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND key_concurrency_max IS NOT NULL)
      AND seq = (
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

CREATE TRIGGER job_moved_among_others AFTER UPDATE OF state ON jobs
  WHEN OLD.state <> NEW.state
    AND (NEW.group_name IS NOT NULL OR NEW.concurrency_key IS NOT NULL OR OLD.line IS NOT NULL) BEGIN
  UPDATE jobs SET line = NULL WHERE seq = NEW.seq AND OLD.line IS NOT NULL AND NEW.state <> 'pending';
  UPDATE job_groups SET blocked = blocked + (NEW.state = 'blocked') - (OLD.state = 'blocked'),
      scheduled = scheduled + (NEW.state = 'scheduled') - (OLD.state = 'scheduled'),
      pending = pending + (NEW.state = 'pending') - (OLD.state = 'pending'),
      claimed = claimed + (NEW.state = 'claimed') - (OLD.state = 'claimed'),
      running = running + (NEW.state = 'running') - (OLD.state = 'running'),
      completed = completed + (NEW.state = 'completed') - (OLD.state = 'completed'),
      failed = failed + (NEW.state = 'failed') - (OLD.state = 'failed'),
      cancelled = cancelled + (NEW.state = 'cancelled') - (OLD.state = 'cancelled')
    WHERE name = NEW.group_name;
  UPDATE jobs SET waits_for_key = 0 WHERE seq = NEW.seq AND OLD.waits_for_key = 1 AND NEW.state <> 'pending';
  UPDATE jobs SET waits_for_key = 0
    WHERE NEW.concurrency_key IS NOT NULL AND OLD.waits_for_key = 0
      AND (OLD.state = 'pending' OR OLD.state = 'claimed' OR OLD.state = 'running')
      AND NEW.state <> 'pending' AND NEW.state <> 'claimed' AND NEW.state <> 'running'
      AND EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND key_concurrency_max IS NOT NULL)
      AND seq = (
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

CREATE TRIGGER job_moved AFTER UPDATE OF state ON jobs
  WHEN OLD.state <> NEW.state AND (NEW.state <> 'claimed' OR NEW.claim_token IS NULL)
    AND (NEW.state <> 'completed' OR NEW.claim_token IS NOT '') BEGIN
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
      CASE WHEN NEW.state = 'claimed' OR OLD.state = 'claimed' OR OLD.state = 'running' THEN NEW.worker_id END,
      CASE WHEN NEW.state = 'claimed' OR NEW.state = 'running' THEN '{"from":"' || OLD.state || '"}'
        WHEN NEW.state = 'completed' AND NEW.message IS NULL
          THEN '{"from":"' || OLD.state || '","reason":"exit","exitCode":0}'
        ELSE json_patch('{}', json_object('from', OLD.state, 'reason', NEW.reason, 'exitCode', NEW.exit_code,
          'signal', NEW.signal, 'message', NEW.message,
          'runAtMs', CASE WHEN NEW.state = 'scheduled' OR NEW.state = 'pending' THEN NEW.run_at_ms END))
      END);
  INSERT INTO past_attempts (job_id, attempt, worker_id, worker_generation, claimed_at_ms, started_at_ms,
      ended_at_ms, reason, exit_code, signal, message, vm, usage, memory_mib)
    SELECT NEW.id, NEW.attempt, NEW.worker_id, NEW.worker_generation, NEW.claimed_at_ms,
      iif(OLD.ended_at_ms IS NULL, NEW.started_at_ms, OLD.started_at_ms),
      coalesce(OLD.ended_at_ms, NEW.updated_at_ms),
      iif(OLD.ended_at_ms IS NULL, NEW.reason, OLD.reason),
      iif(OLD.ended_at_ms IS NULL, NEW.exit_code, OLD.exit_code),
      iif(OLD.ended_at_ms IS NULL, NEW.signal, OLD.signal),
      iif(OLD.ended_at_ms IS NULL, NEW.message, OLD.message), NEW.vm, NEW.usage, OLD.memory_mib
    WHERE OLD.claimed_at_ms IS NOT NULL AND NEW.ended_at_ms IS NULL
      AND NEW.state <> 'claimed' AND NEW.state <> 'running';
  UPDATE jobs SET claimed_at_ms = NULL, vm = NULL, usage = NULL
    WHERE seq = NEW.seq AND OLD.claimed_at_ms IS NOT NULL AND NEW.ended_at_ms IS NULL
      AND NEW.state <> 'claimed' AND NEW.state <> 'running';
END;

-- The trigger that is made last tells first: that a job is to be cancelled comes before that it is.
CREATE TRIGGER job_cancel_requested AFTER UPDATE OF cancel_requested_at_ms ON jobs
  WHEN OLD.cancel_requested_at_ms IS NULL AND NEW.cancel_requested_at_ms IS NOT NULL BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.cancel_requested', NEW.id, NEW.attempt, NEW.worker_id,
      json_object('reason', NEW.cancel_reason, 'by', NEW.cancelled_by));
END;
