-- Jobs that wait for others, and jobs that belong together.

-- What to do when a job it runs after has failed; null for a job that runs after none.
ALTER TABLE jobs ADD COLUMN after_failed TEXT CHECK (after_failed IN ('fail', 'run', 'skip'));
ALTER TABLE jobs ADD COLUMN group_name TEXT;

CREATE INDEX jobs_by_group ON jobs (group_name) WHERE group_name IS NOT NULL;
-- Those of a group that a cancel has to look at.
CREATE INDEX jobs_going_by_group ON jobs (group_name)
  WHERE group_name IS NOT NULL AND ended_at_ms IS NULL AND cancel_requested_at_ms IS NULL;
-- A job can expire while it waits for others, too.
DROP INDEX jobs_expiring;
CREATE INDEX jobs_expiring ON jobs (expires_at_ms, seq)
  WHERE state IN ('blocked', 'pending', 'scheduled') AND expires_at_ms IS NOT NULL;

-- One row for each job that another runs after, as long as that other is there. `open`: it has not ended.
CREATE TABLE job_parents (
  child_seq INTEGER NOT NULL,
  parent_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'done', 'failed', 'cancelled')),
  PRIMARY KEY (child_seq, parent_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_parents_by_parent ON job_parents (parent_id, child_seq);
CREATE INDEX job_parents_open ON job_parents (parent_id, child_seq) WHERE state = 'open';

-- The outbox: jobs that have ended and whose children have not all been told.
CREATE TABLE ended_parents (
  parent_id TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('done', 'failed', 'cancelled'))
) STRICT, WITHOUT ROWID;

-- One row for each group that has jobs; counts as the writes keep them.
CREATE TABLE job_groups (
  name TEXT NOT NULL PRIMARY KEY,
  blocked INTEGER NOT NULL,
  scheduled INTEGER NOT NULL,
  pending INTEGER NOT NULL,
  claimed INTEGER NOT NULL,
  running INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Parents follow from the spec; all of them are there, or the job would not have been stored.
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

-- Only statements that end jobs, or put ended ones back, name ended_at_ms: no other pays for this.
-- An end is one small write, however many children there are. A job that is put back waits for those parents that were,
-- too; how the others ended no longer matters. Children that were not told of its end yet wait for it again.
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

CREATE TRIGGER job_grouped AFTER INSERT ON jobs WHEN NEW.group_name IS NOT NULL BEGIN
  INSERT INTO job_groups (name, blocked, scheduled, pending, claimed, running, completed, failed, cancelled)
    VALUES (NEW.group_name, NEW.state = 'blocked', NEW.state = 'scheduled', NEW.state = 'pending',
      NEW.state = 'claimed', NEW.state = 'running', NEW.state = 'completed', NEW.state = 'failed',
      NEW.state = 'cancelled')
    ON CONFLICT (name) DO UPDATE SET blocked = blocked + excluded.blocked,
      scheduled = scheduled + excluded.scheduled, pending = pending + excluded.pending,
      claimed = claimed + excluded.claimed, running = running + excluded.running,
      completed = completed + excluded.completed, failed = failed + excluded.failed,
      cancelled = cancelled + excluded.cancelled;
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
