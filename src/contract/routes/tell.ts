/** The rows of the route table that tell what happened: events and webhooks. */
import { defaults } from '../../domain/defaults.ts';
import { limits } from '../../domain/limits.ts';
import { EventPage } from '../job.ts';
import type { Route } from '../routes.ts';
import { cursor, strict, wholeNumber } from '../schema.ts';
import { Type } from '../typebox.ts';
import {
  Delivery,
  DeliveryPage,
  EventKind,
  EventQueue,
  PutWebhook,
  SavedWebhook,
  Webhook,
  WebhookName,
  WebhookPage,
} from '../webhook.ts';

const webhookParams = strict({ name: WebhookName });
const deliveryParams = strict({ name: WebhookName, id: Type.String({ pattern: '^evt_[0-9a-f_-]{8,80}$' }) });
const pageSize = Type.Optional(
  Type.Integer({ minimum: 1, maximum: limits.pageMax, description: `default ${defaults.pageSize}` }),
);

export const tellRoutes = {
  listEvents: {
    method: 'GET',
    path: '/v1/events',
    summary:
      'Everything that happens, as server-sent events whose ids are gapless; one page as JSON with follow=false.',
    query: strict({
      follow: Type.Optional(Type.Boolean({ description: 'default true' })),
      kind: Type.Optional(EventKind),
      queue: Type.Optional(EventQueue),
      job: Type.Optional(
        Type.String({ pattern: '^[0-9a-f-]{4,36}$', description: 'job id or a unique start of one' }),
      ),
      after: Type.Optional(
        wholeNumber(0, {
          description:
            'start after this event; 0: at the oldest that is kept; by default followers start now, pages at 0',
        }),
      ),
      last: Type.Optional(wholeNumber(0, { description: 'start so many events before the newest' })),
      limit: pageSize,
      cursor,
    }),
    status: 200,
    reply: 'stream',
    page: EventPage,
    errors: [
      'VALIDATION_FAILED',
      'EVENTS_GONE',
      'JOB_NOT_FOUND',
      'JOB_ID_AMBIGUOUS',
      'OVERLOADED',
      'STORE_UNAVAILABLE',
    ],
  },
  listWebhooks: {
    method: 'GET',
    path: '/v1/webhooks',
    summary: 'All webhooks by name.',
    status: 200,
    reply: WebhookPage,
    errors: ['STORE_UNAVAILABLE'],
  },
  getWebhook: {
    method: 'GET',
    path: '/v1/webhooks/{name}',
    summary: 'One webhook; never its secret.',
    params: webhookParams,
    status: 200,
    reply: Webhook,
    errors: ['WEBHOOK_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  putWebhook: {
    method: 'PUT',
    path: '/v1/webhooks/{name}',
    summary:
      'Make or change a webhook. It gets the events from now on; a secret made here is told only now, and to the ' +
      'same call again when that has a secretIfNew.',
    params: webhookParams,
    body: PutWebhook,
    status: 200,
    reply: SavedWebhook,
    errors: ['VALIDATION_FAILED', 'WEBHOOK_LIMIT', 'WEBHOOK_TARGET_REFUSED', 'STORE_UNAVAILABLE'],
  },
  deleteWebhook: {
    method: 'DELETE',
    path: '/v1/webhooks/{name}',
    summary: 'Remove a webhook and its log of deliveries.',
    params: webhookParams,
    status: 200,
    reply: strict({ name: WebhookName }),
    errors: ['WEBHOOK_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  testWebhook: {
    method: 'POST',
    path: '/v1/webhooks/{name}/test',
    summary: 'Send one event of kind webhook.test now, and answer with how it went.',
    params: webhookParams,
    status: 200,
    reply: Delivery,
    errors: ['WEBHOOK_NOT_FOUND', 'OVERLOADED', 'STORE_UNAVAILABLE'],
  },
  listDeliveries: {
    method: 'GET',
    path: '/v1/webhooks/{name}/deliveries',
    summary: 'The newest deliveries of a webhook, newest first.',
    params: webhookParams,
    query: strict({ limit: pageSize, cursor }),
    status: 200,
    reply: DeliveryPage,
    errors: ['WEBHOOK_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  redeliver: {
    method: 'POST',
    path: '/v1/webhooks/{name}/deliveries/{id}/redeliver',
    summary: 'Send a delivery again under its id, and answer with how it went; one being retried is due now.',
    params: deliveryParams,
    status: 200,
    reply: Delivery,
    errors: ['WEBHOOK_NOT_FOUND', 'DELIVERY_NOT_FOUND', 'OVERLOADED', 'STORE_UNAVAILABLE'],
  },
} as const satisfies Record<string, Route>;
