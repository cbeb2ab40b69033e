-- Jobs that are submitted together are told in sets, too, and every set is counted by what tells it: one trigger for a
-- set, where its statements went over all its jobs once more.

-- Of a set whose jobs are all of one queue.
ALTER TABLE events ADD COLUMN queue TEXT;

CREATE INDEX queues_limited ON queues (name) WHERE concurrency_max IS NOT NULL;

CREATE TRIGGER set_counted AFTER INSERT ON events WHEN NEW.jobs IS NOT NULL BEGIN
  INSERT INTO queue_counts (queue) SELECT NEW.queue WHERE NEW.kind = 'job.submitted' ON CONFLICT (queue) DO NOTHING;
  UPDATE queue_counts SET
    blocked = blocked + NEW.job_count * (NEW.kind = 'job.submitted' AND NEW.data->>'state' = 'blocked'),
    scheduled = scheduled + NEW.job_count * (NEW.kind = 'job.submitted' AND NEW.data->>'state' = 'scheduled'),
    pending = pending + NEW.job_count * (
      (NEW.kind = 'job.submitted' AND NEW.data->>'state' = 'pending') - (NEW.kind = 'job.claimed')),
    claimed = claimed + NEW.job_count * ((NEW.kind = 'job.claimed') - (NEW.kind = 'job.completed')),
    completed = completed + NEW.job_count * (NEW.kind = 'job.completed')
    WHERE queue = NEW.queue;
  UPDATE queue_counts SET pending = pending - n * (NEW.kind = 'job.claimed'),
    claimed = claimed + n * ((NEW.kind = 'job.claimed') - (NEW.kind = 'job.completed')),
    completed = completed + n * (NEW.kind = 'job.completed')
    FROM (
      SELECT jobs.queue AS of_queue, count(*) AS n FROM json_each(NEW.jobs) AS each CROSS JOIN jobs
      WHERE NEW.queue IS NULL AND jobs.id = each.value->>0 GROUP BY jobs.queue)
    WHERE queue = of_queue;
END;

-- A new job with an empty claim token is one of a set.
DROP TRIGGER job_submitted;
CREATE TRIGGER job_submitted AFTER INSERT ON jobs WHEN NEW.claim_token IS NULL BEGIN
  INSERT INTO queue_counts (queue) VALUES (NEW.queue) ON CONFLICT (queue) DO NOTHING;
  UPDATE queue_counts SET blocked = blocked + (NEW.state = 'blocked'),
    scheduled = scheduled + (NEW.state = 'scheduled'), pending = pending + (NEW.state = 'pending')
    WHERE queue = NEW.queue;
  INSERT INTO events (at_ms, kind, job_id, data)
    VALUES (NEW.created_at_ms, 'job.submitted', NEW.id,
      '{"state":"' || NEW.state || '","queue":"' || NEW.queue || '","executor":"' || NEW.executor
        || '","image":"' || NEW.image || '"}');
END;

-- A statement that tells its step itself, of jobs that no group, line, limit or other job looks at, leaves updated_at_ms
-- alone, and with it these triggers, which are otherwise as they were: each costs every row, even where it has nothing
-- to do. When such a job was updated, its other times say.
DROP TRIGGER job_ended_or_again;
DROP TRIGGER job_waits_again;
DROP TRIGGER job_moved_among_others;
DROP TRIGGER job_moved;
DROP TRIGGER job_cancel_requested;

CREATE TRIGGER job_ended_or_again AFTER UPDATE OF updated_at_ms ON jobs
  WHEN CASE WHEN NEW.ended_at_ms IS NULL THEN OLD.ended_at_ms IS NOT NULL ELSE EXISTS (
    SELECT 1 FROM job_parents INDEXED BY job_parents_open WHERE parent_id = NEW.id AND state = 'open') END BEGIN
  INSERT INTO ended_parents (parent_id, state)
    SELECT NEW.id, CASE NEW.state WHEN 'completed' THEN 'done' ELSE NEW.state END WHERE NEW.ended_at_ms IS NOT NULL
    ON CONFLICT (parent_id) DO UPDATE SET state = excluded.state;
  DELETE FROM ended_parents WHERE parent_id = NEW.id AND NEW.ended_at_ms IS NULL;
  UPDATE job_parents SET state = CASE WHEN NEW.state = 'blocked' AND EXISTS (
      SELECT 1 FROM jobs AS parent
      WHERE parent.id = job_parents.parent_id AND parent.ended_at_ms IS NULL) THEN 'open' ELSE 'done' END
    WHERE child_seq = NEW.seq AND NEW.ended_at_ms IS NULL AND NEW.after_failed IS NOT NULL;
END;

CREATE TRIGGER job_waits_again AFTER UPDATE OF updated_at_ms ON jobs
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

CREATE TRIGGER job_moved_among_others AFTER UPDATE OF updated_at_ms ON jobs
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

CREATE TRIGGER job_moved AFTER UPDATE OF updated_at_ms ON jobs
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

-- Made last, so that it tells first.
CREATE TRIGGER job_cancel_requested AFTER UPDATE OF cancel_requested_at_ms ON jobs
  WHEN OLD.cancel_requested_at_ms IS NULL AND NEW.cancel_requested_at_ms IS NOT NULL BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.cancel_requested', NEW.id, NEW.attempt, NEW.worker_id,
      json_object('reason', NEW.cancel_reason, 'by', NEW.cancelled_by));
END;
