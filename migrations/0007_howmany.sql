-- How many: fair shares between tenants or keys, rates, what to do about jobs over the limit of their key;
-- what a job was given for its next attempt; who cancelled it.

ALTER TABLE queues ADD COLUMN fair_by TEXT NOT NULL DEFAULT 'none' CHECK (fair_by IN ('none', 'tenant', 'key'));
-- Weights of lines, as JSON; a line without one has 1.
ALTER TABLE queues ADD COLUMN weights TEXT NOT NULL DEFAULT '{}';
ALTER TABLE queues ADD COLUMN key_policy TEXT NOT NULL DEFAULT 'wait'
  CHECK (key_policy IN ('wait', 'cancel_oldest', 'cancel_newest'));
ALTER TABLE queues ADD COLUMN rate_max INTEGER;
ALTER TABLE queues ADD COLUMN rate_per_ms INTEGER;
ALTER TABLE queues ADD COLUMN key_rate_max INTEGER;
ALTER TABLE queues ADD COLUMN key_rate_per_ms INTEGER;
-- Which lines a job joins when it becomes pending; and whether all pending jobs are in one, so that claims go by them.
ALTER TABLE queues ADD COLUMN lines_by TEXT NOT NULL DEFAULT 'none' CHECK (lines_by IN ('none', 'tenant', 'key'));
ALTER TABLE queues ADD COLUMN in_lines INTEGER NOT NULL DEFAULT 0;
-- A claim from it is more than the head of one index.
ALTER TABLE queues ADD COLUMN shaped INTEGER
  GENERATED ALWAYS AS (in_lines = 1 OR rate_max IS NOT NULL) VIRTUAL;

DROP TRIGGER queue_created;
CREATE TRIGGER queue_created AFTER INSERT ON queues BEGIN
  INSERT INTO events (at_ms, kind, data)
    VALUES (NEW.updated_at_ms, 'queue.changed',
      json_object('queue', NEW.name, 'paused', NEW.paused, 'concurrencyMax', NEW.concurrency_max,
        'concurrencyMaxPerKey', NEW.key_concurrency_max, 'keyPolicy', NEW.key_policy, 'fairBy', NEW.fair_by,
        'weights', json(NEW.weights), 'rateMax', NEW.rate_max, 'ratePerMs', NEW.rate_per_ms,
        'keyRateMax', NEW.key_rate_max, 'keyRatePerMs', NEW.key_rate_per_ms));
END;

-- Not when only the lines have been made ready: that is told below.
DROP TRIGGER queue_changed;
CREATE TRIGGER queue_changed AFTER UPDATE OF updated_at_ms ON queues BEGIN
  INSERT INTO events (at_ms, kind, data)
    VALUES (NEW.updated_at_ms, 'queue.changed',
      json_object('queue', NEW.name, 'paused', NEW.paused, 'concurrencyMax', NEW.concurrency_max,
        'concurrencyMaxPerKey', NEW.key_concurrency_max, 'keyPolicy', NEW.key_policy, 'fairBy', NEW.fair_by,
        'weights', json(NEW.weights), 'rateMax', NEW.rate_max, 'ratePerMs', NEW.rate_per_ms,
        'keyRateMax', NEW.key_rate_max, 'keyRatePerMs', NEW.key_rate_per_ms));
END;

-- From now on claims go by the lines, and ask for tokens of keys.
CREATE TRIGGER queue_in_lines AFTER UPDATE OF in_lines ON queues
  WHEN NEW.in_lines = 1 AND OLD.in_lines = 0 BEGIN
  INSERT INTO events (at_ms, kind, data)
    VALUES (NEW.updated_at_ms, 'queue.changed',
      json_object('queue', NEW.name, 'paused', NEW.paused, 'concurrencyMax', NEW.concurrency_max,
        'concurrencyMaxPerKey', NEW.key_concurrency_max, 'keyPolicy', NEW.key_policy, 'fairBy', NEW.fair_by,
        'weights', json(NEW.weights), 'rateMax', NEW.rate_max, 'ratePerMs', NEW.rate_per_ms,
        'keyRateMax', NEW.key_rate_max, 'keyRatePerMs', NEW.key_rate_per_ms, 'inLines', 1));
END;

-- Of a pending job in a queue with lines only: its line. Others pay nothing for it.
ALTER TABLE jobs ADD COLUMN line TEXT;
-- When it was last claimed from a shaped queue; the triggers below listen to this column, so that no other claim
-- runs them.
ALTER TABLE jobs ADD COLUMN taken_at_ms INTEGER;
ALTER TABLE jobs ADD COLUMN cancelled_by TEXT;
-- Memory of its next VM when that is more than its spec says.
ALTER TABLE jobs ADD COLUMN memory_mib INTEGER;
-- Attempts by the reason of their end, as JSON, of the reasons that have a bound of their own.
ALTER TABLE jobs ADD COLUMN used_by_reason TEXT;
ALTER TABLE attempts ADD COLUMN memory_mib INTEGER;

CREATE INDEX jobs_in_line ON jobs (queue, executor, line, rank_ms, seq)
  WHERE line IS NOT NULL AND state = 'pending' AND waits_for_key = 0;

-- The lines that have ready jobs. The one with the lowest turn is next; each job it gives moves it on by its step,
-- so a line of weight 3 gives three times as many. An empty line is forgotten: it leaves neither credit nor debt.
CREATE TABLE fair_lines (
  queue TEXT NOT NULL,
  line TEXT NOT NULL,
  executor TEXT NOT NULL,
  ready INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  step INTEGER NOT NULL,
  closed INTEGER NOT NULL,
  PRIMARY KEY (queue, line, executor)
) STRICT, WITHOUT ROWID;

-- A closed line waits for a token of its key.
CREATE INDEX fair_lines_next ON fair_lines (queue, executor, closed, turn, line);

-- Token buckets, of queues (key is '') and of keys, as the time at which each is full again. All is in whole
-- numbers: a ms is rate_max units, a token is per_ms units, so a full bucket is rate_max tokens.
CREATE TABLE rates (
  queue TEXT NOT NULL,
  key TEXT NOT NULL,
  rate_max INTEGER NOT NULL,
  per_ms INTEGER NOT NULL,
  full_at_units INTEGER NOT NULL,
  full_at_ms INTEGER GENERATED ALWAYS AS ((full_at_units + rate_max - 1) / rate_max) VIRTUAL,
  -- When its next token is there; null while it has one.
  opens_at_ms INTEGER,
  PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX rates_opening ON rates (opens_at_ms, queue, key) WHERE opens_at_ms IS NOT NULL;
CREATE INDEX rates_full ON rates (full_at_ms, queue, key) WHERE opens_at_ms IS NULL;

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

-- A line that begins stands one step behind the one that is next, and before that one's next turn: none that comes
-- and goes is always first, and none waits for a second turn of another.
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

-- A bucket is never taken to be emptier than empty, also when the clock was set back.
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

-- While it was closed it has saved no turns.
CREATE TRIGGER key_has_token AFTER UPDATE OF opens_at_ms ON rates
  WHEN NEW.opens_at_ms IS NULL AND OLD.opens_at_ms IS NOT NULL AND NEW.key <> '' BEGIN
  UPDATE fair_lines SET closed = 0, turn = max(turn, coalesce(
      (SELECT min(head.turn) FROM fair_lines AS head INDEXED BY fair_lines_next
        WHERE head.queue = fair_lines.queue AND head.executor = fair_lines.executor AND head.closed = 0), 0))
    WHERE queue = NEW.queue AND line = NEW.key;
END;

-- The row of the attempt is there since its claim.
CREATE TRIGGER attempt_with_more_memory AFTER UPDATE OF state ON jobs
  WHEN OLD.state = 'claimed' AND NEW.state <> 'claimed' AND OLD.memory_mib IS NOT NULL BEGIN
  UPDATE attempts SET memory_mib = OLD.memory_mib WHERE job_id = NEW.id AND attempt = OLD.attempt;
END;

-- Every cancel is told with who and why, whether or not a command has to be stopped for it.
DROP TRIGGER job_cancel_requested;
CREATE TRIGGER job_cancel_requested AFTER UPDATE OF cancel_requested_at_ms ON jobs
  WHEN OLD.cancel_requested_at_ms IS NULL AND NEW.cancel_requested_at_ms IS NOT NULL BEGIN
  INSERT INTO events (at_ms, kind, job_id, attempt, worker_id, data)
    VALUES (NEW.updated_at_ms, 'job.cancel_requested', NEW.id, NEW.attempt, NEW.worker_id,
      json_object('reason', NEW.cancel_reason, 'by', NEW.cancelled_by));
END;
