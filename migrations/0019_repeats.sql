-- The idempotency key of the newest retry of a job: the same call that comes again finds that it was carried out.
ALTER TABLE jobs ADD COLUMN retry_key TEXT;
