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
