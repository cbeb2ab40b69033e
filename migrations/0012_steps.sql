-- The triggers of jobs as they were, in their order, which is that of what they tell: the one that is made last tells
-- first. But the two steps that every job takes, claimed and completed, have one of their own, which works out nothing.

CREATE TRIGGER job_postponed AFTER UPDATE OF run_at_ms ON jobs
  WHEN OLD.state = NEW.state AND OLD.run_at_ms <> NEW.run_at_ms BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, data)
    VALUES (NEW.updated_at_ms, 'job.postponed', NEW.id, NEW.attempt, json_object('runAtMs', NEW.run_at_ms));
END;

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

CREATE TRIGGER job_no_longer_waits AFTER UPDATE OF state ON jobs
  WHEN OLD.waits_for_key = 1 AND NEW.state <> 'pending' BEGIN
  UPDATE jobs SET waits_for_key = 0 WHERE seq = NEW.seq;
END;

CREATE TRIGGER job_ended_or_again AFTER UPDATE OF ended_at_ms ON jobs
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

CREATE TRIGGER job_child_gone AFTER DELETE ON jobs WHEN OLD.after_failed IS NOT NULL BEGIN
  DELETE FROM job_parents WHERE child_seq = OLD.seq;
END;

CREATE TRIGGER job_moved_in_group AFTER UPDATE OF state ON jobs
  WHEN NEW.group_name IS NOT NULL AND OLD.state <> NEW.state BEGIN
  UPDATE job_groups SET blocked = blocked + (NEW.state = 'blocked') - (OLD.state = 'blocked'),
      scheduled = scheduled + (NEW.state = 'scheduled') - (OLD.state = 'scheduled'),
      pending = pending + (NEW.state = 'pending') - (OLD.state = 'pending'),
      claimed = claimed + (NEW.state = 'claimed') - (OLD.state = 'claimed'),
      running = running + (NEW.state = 'running') - (OLD.state = 'running'),
      completed = completed + (NEW.state = 'completed') - (OLD.state = 'completed'),
      failed = failed + (NEW.state = 'failed') - (OLD.state = 'failed'),
      cancelled = cancelled + (NEW.state = 'cancelled') - (OLD.state = 'cancelled')
    WHERE name = NEW.group_name;
END;

CREATE TRIGGER job_left_group AFTER DELETE ON jobs WHEN OLD.group_name IS NOT NULL BEGIN
  UPDATE job_groups SET completed = completed - (OLD.state = 'completed'),
      failed = failed - (OLD.state = 'failed'), cancelled = cancelled - (OLD.state = 'cancelled')
    WHERE name = OLD.group_name;
  DELETE FROM job_groups WHERE name = OLD.group_name AND blocked + scheduled + pending + claimed + running
    + completed + failed + cancelled = 0;
END;

CREATE TRIGGER job_submitted_into_line AFTER INSERT ON jobs
  WHEN NEW.state = 'pending'
    AND EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND lines_by <> 'none') BEGIN
  UPDATE jobs SET line = CASE (SELECT lines_by FROM queues WHERE name = NEW.queue)
      WHEN 'tenant' THEN NEW.tenant ELSE coalesce(NEW.concurrency_key, '') END
    WHERE seq = NEW.seq;
END;

CREATE TRIGGER job_came_into_line AFTER UPDATE OF state ON jobs
  WHEN NEW.state = 'pending' AND OLD.state <> 'pending'
    AND EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND lines_by <> 'none') BEGIN
  UPDATE jobs SET line = CASE (SELECT lines_by FROM queues WHERE name = NEW.queue)
      WHEN 'tenant' THEN NEW.tenant ELSE coalesce(NEW.concurrency_key, '') END
    WHERE seq = NEW.seq;
END;

CREATE TRIGGER job_left_line AFTER UPDATE OF state ON jobs
  WHEN OLD.line IS NOT NULL AND NEW.state <> 'pending' BEGIN
  UPDATE jobs SET line = NULL WHERE seq = NEW.seq;
END;

CREATE TRIGGER line_gained AFTER UPDATE OF line, waits_for_key ON jobs
  WHEN NEW.line IS NOT NULL AND NEW.waits_for_key = 0 AND (OLD.line IS NOT NEW.line OR OLD.waits_for_key <> 0) BEGIN
  INSERT INTO fair_lines (queue, line, executor, ready, turn, step, closed)
    SELECT NEW.queue, NEW.line, NEW.executor, 0,
      coalesce(
        (SELECT min(turn) FROM fair_lines INDEXED BY fair_lines_next
          WHERE queue = NEW.queue AND executor = NEW.executor AND closed = 0),
        (SELECT min(turn) FROM fair_lines INDEXED BY fair_lines_next
          WHERE queue = NEW.queue AND executor = NEW.executor AND closed = 1), 0) + 10000 / w.weight - 1,
      10000 / w.weight,
      EXISTS (SELECT 1 FROM rates WHERE queue = NEW.queue AND key = NEW.line AND key <> ''
        AND opens_at_ms IS NOT NULL)
    FROM (SELECT coalesce((SELECT each.value FROM queues, json_each(queues.weights) AS each
        WHERE queues.name = NEW.queue AND each.key = NEW.line), 1) AS weight) AS w
    WHERE NOT EXISTS (SELECT 1 FROM fair_lines
      WHERE queue = NEW.queue AND line = NEW.line AND executor = NEW.executor);
  UPDATE fair_lines SET ready = ready + 1
    WHERE queue = NEW.queue AND line = NEW.line AND executor = NEW.executor;
END;

CREATE TRIGGER line_lost AFTER UPDATE OF line, waits_for_key ON jobs
  WHEN OLD.line IS NOT NULL AND OLD.waits_for_key = 0 AND (OLD.line IS NOT NEW.line OR NEW.waits_for_key <> 0) BEGIN
  UPDATE fair_lines SET ready = ready - 1
    WHERE queue = OLD.queue AND line = OLD.line AND executor = OLD.executor;
  DELETE FROM fair_lines
    WHERE queue = OLD.queue AND line = OLD.line AND executor = OLD.executor AND ready = 0;
END;

CREATE TRIGGER line_took_turn AFTER UPDATE OF taken_at_ms ON jobs WHEN OLD.line IS NOT NULL BEGIN
  UPDATE fair_lines SET turn = turn + step
    WHERE queue = OLD.queue AND line = OLD.line AND executor = OLD.executor;
END;

CREATE TRIGGER queue_gave_token AFTER UPDATE OF taken_at_ms ON jobs
  WHEN EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND rate_max IS NOT NULL) BEGIN
  INSERT INTO rates (queue, key, rate_max, per_ms, full_at_units)
    SELECT name, '', rate_max, rate_per_ms, NEW.taken_at_ms * rate_max + rate_per_ms
    FROM queues WHERE name = NEW.queue
    ON CONFLICT (queue, key) DO UPDATE SET full_at_units = excluded.per_ms
      + min(max(full_at_units, excluded.full_at_units - excluded.per_ms),
          excluded.full_at_units - excluded.per_ms + excluded.per_ms * (excluded.rate_max - 1));
  UPDATE rates SET opens_at_ms = (full_at_units + per_ms - per_ms * rate_max + rate_max - 1) / rate_max
    WHERE queue = NEW.queue AND key = ''
      AND full_at_units + per_ms > NEW.taken_at_ms * rate_max + per_ms * rate_max;
END;

CREATE TRIGGER key_gave_token AFTER UPDATE OF taken_at_ms ON jobs
  WHEN NEW.concurrency_key IS NOT NULL
    AND EXISTS (SELECT 1 FROM queues WHERE name = NEW.queue AND key_rate_max IS NOT NULL AND in_lines = 1) BEGIN
  INSERT INTO rates (queue, key, rate_max, per_ms, full_at_units)
    SELECT name, NEW.concurrency_key, key_rate_max, key_rate_per_ms,
      NEW.taken_at_ms * key_rate_max + key_rate_per_ms
    FROM queues WHERE name = NEW.queue
    ON CONFLICT (queue, key) DO UPDATE SET full_at_units = excluded.per_ms
      + min(max(full_at_units, excluded.full_at_units - excluded.per_ms),
          excluded.full_at_units - excluded.per_ms + excluded.per_ms * (excluded.rate_max - 1));
  UPDATE rates SET opens_at_ms = (full_at_units + per_ms - per_ms * rate_max + rate_max - 1) / rate_max
    WHERE queue = NEW.queue AND key = NEW.concurrency_key
      AND full_at_units + per_ms > NEW.taken_at_ms * rate_max + per_ms * rate_max;
  UPDATE fair_lines SET closed = 1
    WHERE queue = NEW.queue AND line = NEW.concurrency_key
      AND EXISTS (SELECT 1 FROM rates
        WHERE rates.queue = NEW.queue AND rates.key = NEW.concurrency_key AND rates.opens_at_ms IS NOT NULL);
END;

CREATE TRIGGER job_tellings_forgotten AFTER DELETE ON jobs BEGIN
  DELETE FROM job_progress WHERE job_id = OLD.id;
  DELETE FROM job_results WHERE job_id = OLD.id;
  DELETE FROM artifacts WHERE job_id = OLD.id;
END;

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

CREATE TRIGGER job_grouped AFTER INSERT ON jobs WHEN NEW.group_name IS NOT NULL BEGIN
  INSERT INTO job_groups (name, blocked, scheduled, pending, claimed, running, completed, failed, cancelled)
    VALUES (NEW.group_name, 0, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT (name) DO NOTHING;
  UPDATE job_groups SET blocked = blocked + (NEW.state = 'blocked'),
    scheduled = scheduled + (NEW.state = 'scheduled'), pending = pending + (NEW.state = 'pending')
    WHERE name = NEW.group_name;
END;

CREATE TRIGGER job_claimed AFTER UPDATE OF state ON jobs
  WHEN NEW.state = 'claimed' AND OLD.state = 'pending' BEGIN
  UPDATE queue_counts SET pending = pending - 1, claimed = claimed + 1 WHERE queue = NEW.queue;
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.claimed', NEW.id, NEW.attempt, NEW.worker_id, '{"from":"pending"}');
END;

-- The names in these texts need no quoting. json_patch leaves out what is null.
CREATE TRIGGER job_completed AFTER UPDATE OF state ON jobs
  WHEN NEW.state = 'completed' AND OLD.state <> 'completed' BEGIN
  UPDATE queue_counts SET claimed = claimed - (OLD.state = 'claimed'), running = running - (OLD.state = 'running'),
    completed = completed + 1 WHERE queue = NEW.queue;
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.completed', NEW.id, NEW.attempt, NEW.worker_id,
      CASE WHEN NEW.message IS NULL THEN '{"from":"' || OLD.state || '","reason":"exit","exitCode":0}'
        ELSE json_patch('{}', json_object('from', OLD.state, 'reason', NEW.reason, 'exitCode', NEW.exit_code,
          'signal', NEW.signal, 'message', NEW.message)) END);
END;

-- All other steps.
CREATE TRIGGER job_moved AFTER UPDATE OF state ON jobs
  WHEN OLD.state <> NEW.state AND (NEW.state <> 'claimed' OR OLD.state <> 'pending') AND NEW.state <> 'completed' BEGIN
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
        ELSE json_patch('{}', json_object('from', OLD.state, 'reason', NEW.reason, 'exitCode', NEW.exit_code,
          'signal', NEW.signal, 'message', NEW.message,
          'runAtMs', CASE WHEN NEW.state IN ('scheduled', 'pending') THEN NEW.run_at_ms END))
      END);
END;

CREATE TRIGGER job_cancel_requested AFTER UPDATE OF cancel_requested_at_ms ON jobs
  WHEN OLD.cancel_requested_at_ms IS NULL AND NEW.cancel_requested_at_ms IS NOT NULL BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.cancel_requested', NEW.id, NEW.attempt, NEW.worker_id,
      json_object('reason', NEW.cancel_reason, 'by', NEW.cancelled_by));
END;

CREATE TRIGGER job_attempt_passed AFTER UPDATE OF state ON jobs
  WHEN OLD.claimed_at_ms IS NOT NULL AND NEW.ended_at_ms IS NULL
    AND NEW.state <> 'claimed' AND NEW.state <> 'running' BEGIN
  INSERT INTO past_attempts (job_id, attempt, worker_id, worker_generation, claimed_at_ms, started_at_ms,
      ended_at_ms, reason, exit_code, signal, message, vm, usage, memory_mib)
    SELECT NEW.id, NEW.attempt, NEW.worker_id, NEW.worker_generation, NEW.claimed_at_ms,
      iif(OLD.ended_at_ms IS NULL, NEW.started_at_ms, OLD.started_at_ms),
      coalesce(OLD.ended_at_ms, NEW.updated_at_ms),
      iif(OLD.ended_at_ms IS NULL, NEW.reason, OLD.reason),
      iif(OLD.ended_at_ms IS NULL, NEW.exit_code, OLD.exit_code),
      iif(OLD.ended_at_ms IS NULL, NEW.signal, OLD.signal),
      iif(OLD.ended_at_ms IS NULL, NEW.message, OLD.message), NEW.vm, NEW.usage, OLD.memory_mib;
  UPDATE jobs SET claimed_at_ms = NULL, vm = NULL, usage = NULL WHERE seq = NEW.seq;
END;

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
