-- Schedules: jobs submitted at the times of a cron expression, and what became of each slot.

CREATE TABLE schedules (
  name TEXT NOT NULL PRIMARY KEY,
  cron TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  job TEXT NOT NULL,
  catch_up TEXT NOT NULL CHECK (catch_up IN ('none', 'one', 'all')),
  catch_up_max INTEGER NOT NULL,
  overlap TEXT NOT NULL CHECK (overlap IN ('skip', 'queue', 'replace')),
  paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
  version INTEGER NOT NULL,
  next_at_ms INTEGER CHECK (paused = 0 OR next_at_ms IS NULL),
  last_slot_ms INTEGER,
  last_job_id TEXT,
  moved_by TEXT,
  fired INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX schedules_due ON schedules (next_at_ms, name) WHERE next_at_ms IS NOT NULL;

-- Also the outbox: a run is written with the move of its schedule, and its job is submitted from here.
CREATE TABLE schedule_runs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  schedule TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('slot', 'manual')),
  slot_ms INTEGER NOT NULL,
  slots INTEGER NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('firing', 'fired', 'failed', 'skipped')),
  reason TEXT,
  replaces TEXT,
  message TEXT,
  at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX schedule_runs_firing ON schedule_runs (seq) WHERE outcome = 'firing';
CREATE INDEX schedule_runs_by_schedule ON schedule_runs (schedule);

-- The next overlap is judged by this job, also before it is submitted.
CREATE TRIGGER schedule_run_begun AFTER INSERT ON schedule_runs WHEN NEW.outcome = 'firing' BEGIN
  UPDATE schedules SET last_job_id = NEW.id WHERE name = NEW.schedule;
END;

CREATE TRIGGER schedule_run_skipped AFTER INSERT ON schedule_runs WHEN NEW.outcome = 'skipped' BEGIN
  UPDATE schedules SET skipped = skipped + NEW.slots WHERE name = NEW.schedule;
  INSERT INTO events (at_ms, kind, data)
    VALUES (NEW.at_ms, 'schedule.skipped',
      json_object('schedule', NEW.schedule, 'slotMs', NEW.slot_ms, 'slots', NEW.slots, 'reason', NEW.reason));
END;

CREATE TRIGGER schedule_run_fired AFTER UPDATE OF outcome ON schedule_runs
  WHEN OLD.outcome = 'firing' AND NEW.outcome = 'fired' BEGIN
  UPDATE schedules SET fired = fired + 1 WHERE name = NEW.schedule;
  INSERT INTO events (at_ms, kind, job_id, data)
    VALUES (NEW.at_ms, 'schedule.fired', NEW.id,
      json_object('schedule', NEW.schedule, 'slotMs', NEW.slot_ms, 'trigger', NEW.kind));
END;

CREATE TRIGGER schedule_run_failed AFTER UPDATE OF outcome ON schedule_runs
  WHEN OLD.outcome = 'firing' AND NEW.outcome = 'failed' BEGIN
  UPDATE schedules SET failed = failed + 1 WHERE name = NEW.schedule;
  UPDATE schedules SET last_job_id = NULL WHERE name = NEW.schedule AND last_job_id = NEW.id;
  INSERT INTO events (at_ms, kind, data)
    VALUES (NEW.at_ms, 'schedule.failed',
      json_object('schedule', NEW.schedule, 'slotMs', NEW.slot_ms, 'trigger', NEW.kind, 'message', NEW.message));
END;

CREATE TRIGGER schedule_made AFTER INSERT ON schedules BEGIN
  INSERT INTO events (at_ms, kind, data)
    VALUES (NEW.created_at_ms, 'schedule.created',
      json_object('schedule', NEW.name, 'cron', NEW.cron, 'timeZone', NEW.time_zone));
END;

CREATE TRIGGER schedule_changed AFTER UPDATE OF version ON schedules WHEN OLD.version <> NEW.version BEGIN
  INSERT INTO events (at_ms, kind, data)
    VALUES (NEW.updated_at_ms, 'schedule.changed',
      json_object('schedule', NEW.name, 'version', NEW.version, 'cron', NEW.cron, 'timeZone', NEW.time_zone,
        'paused', NEW.paused));
END;
