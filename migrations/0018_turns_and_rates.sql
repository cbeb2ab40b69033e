-- Since when a queue has its rate, and its rate of each key: an earlier claim gives no token back to their buckets.
ALTER TABLE queues ADD COLUMN rate_since_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN key_rate_since_ms INTEGER NOT NULL DEFAULT 0;
UPDATE queues SET rate_since_ms = updated_at_ms, key_rate_since_ms = updated_at_ms;

-- Where all lines are closed, one that begins stands behind their turns: else it would have saved as many.
DROP TRIGGER line_gained;
CREATE TRIGGER line_gained AFTER UPDATE OF line, waits_for_key ON jobs
  WHEN NEW.line IS NOT NULL AND NEW.waits_for_key = 0 AND (OLD.line IS NOT NEW.line OR OLD.waits_for_key <> 0) BEGIN
  INSERT INTO fair_lines (queue, line, executor, ready, turn, step, closed)
    SELECT NEW.queue, NEW.line, NEW.executor, 0,
      coalesce(
        (SELECT min(turn) FROM fair_lines INDEXED BY fair_lines_next
          WHERE queue = NEW.queue AND executor = NEW.executor AND closed = 0),
        (SELECT max(turn) FROM fair_lines INDEXED BY fair_lines_next
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

-- While it was closed it has saved no turns, neither beside lines that are open nor, where none is, beside those that
-- were served until they closed.
DROP TRIGGER key_has_token;
CREATE TRIGGER key_has_token AFTER UPDATE OF opens_at_ms ON rates
  WHEN NEW.opens_at_ms IS NULL AND OLD.opens_at_ms IS NOT NULL AND NEW.key <> '' BEGIN
  UPDATE fair_lines SET closed = 0, turn = max(turn, coalesce(
      (SELECT min(head.turn) FROM fair_lines AS head INDEXED BY fair_lines_next
        WHERE head.queue = fair_lines.queue AND head.executor = fair_lines.executor AND head.closed = 0),
      (SELECT max(tail.turn) FROM fair_lines AS tail INDEXED BY fair_lines_next
        WHERE tail.queue = fair_lines.queue AND tail.executor = fair_lines.executor AND tail.closed = 1), 0))
    WHERE queue = NEW.queue AND line = NEW.key;
END;
