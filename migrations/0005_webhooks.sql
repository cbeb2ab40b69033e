-- Where events are sent to. Events themselves are the queue: a webhook only keeps its place in them.

CREATE TABLE webhooks (
  name TEXT NOT NULL PRIMARY KEY,
  id TEXT NOT NULL,
  url TEXT NOT NULL,
  kinds TEXT NOT NULL,
  queue TEXT,
  secret TEXT NOT NULL,
  paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
  cursor_seq INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest deliveries of each webhook, and the one it is trying again.
CREATE TABLE webhook_deliveries (
  seq INTEGER PRIMARY KEY,
  webhook TEXT NOT NULL,
  id TEXT NOT NULL,
  event_seq INTEGER,
  kind TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('retrying', 'delivered', 'failed')),
  tries INTEGER NOT NULL,
  status_code INTEGER,
  duration_ms INTEGER NOT NULL,
  problem TEXT,
  first_at_ms INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  next_at_ms INTEGER,
  UNIQUE (webhook, id),
  CHECK ((state = 'retrying') = (next_at_ms IS NOT NULL))
) STRICT;

-- Pages of a list, newest first: an index ends in seq.
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook);
CREATE UNIQUE INDEX webhook_retrying ON webhook_deliveries (webhook) WHERE state = 'retrying';
