/** Webhooks, their place in the events, and the log of their deliveries. */
import { limits } from '../../domain/limits.ts';
import { define } from './define.ts';

const webhookColumns = `name, id, url, kinds, queue, paused, cursor_seq, created_at_ms, updated_at_ms,
  (SELECT json_object('deliveryId', id, 'eventSeq', event_seq, 'tries', tries, 'nextAtMs', next_at_ms,
     'problem', problem)
   FROM webhook_deliveries INDEXED BY webhook_retrying
   WHERE webhook_deliveries.webhook = webhooks.name AND state = 'retrying') AS retry`;

const deliveryColumns = `seq, webhook, id, event_seq, kind, state, tries, status_code, duration_ms, problem,
  first_at_ms, at_ms, next_at_ms`;

type Named = { name: string };
type OfHook = { webhook: string; webhookId: string };

/**
 * Makes or changes a webhook. A new one begins after the newest event, and with the secret `fresh` when none is
 * given; an old one keeps its place, and its secret when none is given. Nothing when there are too many.
 */
export const putWebhook = define<{
  name: string;
  id: string;
  url: string;
  kinds: string;
  queue: string | null;
  secret: string | null;
  fresh: string;
  paused: number;
  nowMs: number;
}>(
  'webhooks.put',
  `INSERT INTO webhooks (name, id, url, kinds, queue, secret, paused, cursor_seq, created_at_ms, updated_at_ms)
   SELECT :name, :id, :url, :kinds, :queue, coalesce(:secret, :fresh), :paused,
     coalesce((SELECT max(seq) FROM events), 0), :nowMs, :nowMs
   WHERE EXISTS (SELECT 1 FROM webhooks WHERE name = :name)
      OR (SELECT count(*) FROM webhooks WHERE name > '') < ${limits.webhooksMax}
   ON CONFLICT (name) DO UPDATE SET url = excluded.url, kinds = excluded.kinds, queue = excluded.queue,
     secret = coalesce(:secret, secret), paused = excluded.paused, updated_at_ms = excluded.updated_at_ms
   RETURNING ${webhookColumns}, secret = :fresh AS is_made`,
);

/** One webhook, as anybody may see it. */
export const webhookByName = define<Named>(
  'webhooks.byName',
  `SELECT ${webhookColumns} FROM webhooks WHERE name = :name`,
);

/** All webhooks by name, as anybody may see them. */
export const listWebhooks = define<{ limit: number }>(
  'webhooks.list',
  `SELECT ${webhookColumns} FROM webhooks WHERE name > '' ORDER BY name LIMIT +:limit`,
);

/** What sending needs: the secret, too. */
export const webhookToSend = define<Named>(
  'webhooks.toSend',
  `SELECT ${webhookColumns}, secret FROM webhooks WHERE name = :name`,
);

/** Forgets a webhook. */
export const deleteWebhook = define<Named>(
  'webhooks.delete',
  'DELETE FROM webhooks WHERE name = :name RETURNING name',
);

/** Forgets what a webhook has delivered. */
export const deleteDeliveries = define<Named>(
  'webhooks.deleteDeliveries',
  'DELETE FROM webhook_deliveries WHERE webhook = :name',
);

/** Every event up to this one is done with, for this webhook and no later one of its name. */
export const moveCursor = define<OfHook & { seq: number }>(
  'webhooks.moveCursor',
  `UPDATE webhooks SET cursor_seq = :seq
   WHERE name = :webhook AND id = :webhookId AND cursor_seq < :seq`,
);

/** Writes down a try: a row of its own for the first, the same row for those after it. */
export const writeTry = define<
  OfHook & {
    id: string;
    eventSeq: number | null;
    kind: string;
    state: string;
    statusCode: number | null;
    durationMs: number;
    problem: string | null;
    firstAtMs: number;
    nowMs: number;
    nextAtMs: number | null;
  }
>(
  'webhooks.writeTry',
  `INSERT INTO webhook_deliveries (webhook, id, event_seq, kind, state, tries, status_code, duration_ms,
     problem, first_at_ms, at_ms, next_at_ms)
   SELECT :webhook, :id, :eventSeq, :kind, :state, 1, :statusCode, :durationMs, :problem, :firstAtMs, :nowMs,
     :nextAtMs
   WHERE EXISTS (SELECT 1 FROM webhooks WHERE name = :webhook AND id = :webhookId)
   ON CONFLICT (webhook, id) DO UPDATE SET state = excluded.state, tries = tries + 1,
     status_code = excluded.status_code, duration_ms = excluded.duration_ms, problem = excluded.problem,
     at_ms = excluded.at_ms, next_at_ms = excluded.next_at_ms
   RETURNING ${deliveryColumns}`,
);

/** What a webhook was trying again is given up: its filter has changed, or the event is gone. */
export const dropRetry = define<{ webhook: string }>(
  'webhooks.dropRetry',
  `UPDATE webhook_deliveries SET state = 'failed', next_at_ms = NULL
   WHERE webhook = :webhook AND state = 'retrying'`,
);

/** Keeps the newest deliveries of a webhook, and the one it is trying again. */
export const pruneDeliveries = define<{ webhook: string }>(
  'webhooks.pruneDeliveries',
  `DELETE FROM webhook_deliveries WHERE webhook = :webhook AND +state <> 'retrying' AND seq <= (
     SELECT seq FROM webhook_deliveries INDEXED BY webhook_deliveries_by_webhook WHERE webhook = :webhook
     ORDER BY seq DESC LIMIT 1 OFFSET ${limits.webhookDeliveriesKept})`,
);

/** The deliveries of a webhook, newest first, from the one before `before`. */
export const listDeliveries = define<Named & { before: number; limit: number }>(
  'webhooks.deliveries',
  `SELECT ${deliveryColumns} FROM webhook_deliveries INDEXED BY webhook_deliveries_by_webhook
   WHERE webhook = :name AND seq < :before ORDER BY seq DESC LIMIT +:limit`,
);

/** One delivery. */
export const deliveryById = define<Named & { id: string }>(
  'webhooks.delivery',
  `SELECT ${deliveryColumns} FROM webhook_deliveries WHERE webhook = :name AND id = :id`,
);

/** What a webhook is trying again is due now, if it is this delivery. */
export const hurryDelivery = define<Named & { id: string; nowMs: number }>(
  'webhooks.hurry',
  `UPDATE webhook_deliveries SET next_at_ms = :nowMs
   WHERE webhook = :name AND id = :id AND +state = 'retrying'
   RETURNING ${deliveryColumns}`,
);
