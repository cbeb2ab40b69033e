-- Jobs of a schedule that come one after the other: a job waits for those before it, however they end.

ALTER TABLE job_parents ADD COLUMN only_waits INTEGER NOT NULL DEFAULT 0;
