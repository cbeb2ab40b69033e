/** Webhooks on the wire: where events are sent to, and how that went. */
import { eventKinds } from '../domain/event-kinds.ts';
import { limits } from '../domain/limits.ts';
import { namePattern } from './job.ts';
import { nullable, oneOf, strict, timeMs, wholeNumber } from './schema.ts';
import { type Static, Type } from './typebox.ts';

/** A kind of events or its beginning, for example `job.` or `job.completed`. */
export const kindPattern = '^[a-z][a-z0-9_.]{0,63}$';
/** As Standard Webhooks has it: `whsec_` and the base64 of 24 to 64 bytes. */
export const secretPattern = '^whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2,3}={0,2})?$';
/** Bytes of a secret that is made. */
export const secretBytes = 32;
const urlPattern = '^https?://[^\\s\\u0000-\\u001f\\ud800-\\udfff]+$';

/** What is allowed for a kind, in words. */
export const eventKindsAllowed = `one of: ${eventKinds.join(', ')}; or the start of some, such as job.`;

/** The start of a kind of events. */
export const EventKind = Type.String({ pattern: kindPattern, description: eventKindsAllowed });
/** A queue, to filter by. */
export const EventQueue = Type.String({ pattern: namePattern });
export const WebhookName = Type.String({ pattern: namePattern });

const url = Type.String({
  pattern: urlPattern,
  maxLength: limits.webhookUrlLength,
  description: 'an http or https URL',
});
const kinds = Type.Array(EventKind, {
  maxItems: limits.webhookKinds,
  description: 'starts of the kinds to send; all when empty',
});

const secretText = (whose = '') =>
  Type.String({
    pattern: secretPattern,
    writeOnly: true,
    description: `whsec_ and base64 of 24 to 64 bytes${whose}`,
  });

export const PutWebhook = strict({
  url,
  kinds: Type.Optional(kinds),
  queue: Type.Optional(nullable(EventQueue)),
  secret: Type.Optional(secretText()),
  secretIfNew: Type.Optional(
    secretText(', of a webhook that this call makes; one that is there keeps its own'),
  ),
  paused: Type.Optional(Type.Boolean()),
});
export type PutWebhook = Static<typeof PutWebhook>;

export const Webhook = strict({
  name: WebhookName,
  url: Type.String(),
  kinds: Type.Array(Type.String()),
  queue: nullable(Type.String({ description: 'only events of jobs of this queue' })),
  paused: Type.Boolean(),
  seq: wholeNumber(0, { description: 'every event up to this one is done with' }),
  retry: nullable(
    strict({
      deliveryId: Type.String(),
      eventSeq: wholeNumber(1),
      tries: wholeNumber(1),
      nextAtMs: timeMs,
      problem: nullable(Type.String()),
    }),
  ),
  createdAtMs: timeMs,
  updatedAtMs: timeMs,
});
export type Webhook = Static<typeof Webhook>;

export const SavedWebhook = strict({
  webhook: Webhook,
  secret: nullable(
    Type.String({
      description:
        'only to the call that made it, also when that is repeated with its secretIfNew; never again',
    }),
  ),
});
export type SavedWebhook = Static<typeof SavedWebhook>;

/** The secret of these bytes. */
export function secretOf(bytes: Uint8Array): string {
  return `whsec_${Buffer.from(bytes).toString('base64')}`;
}

export const WebhookPage = strict({ webhooks: Type.Array(Webhook) });

export const Delivery = strict({
  id: Type.String({ description: 'sent as webhook-id, the same for every try' }),
  kind: Type.String(),
  eventSeq: nullable(wholeNumber(1)),
  state: oneOf(['retrying', 'delivered', 'failed']),
  tries: wholeNumber(1),
  statusCode: nullable(Type.Integer({ description: 'of the last answer; null when none came' })),
  durationMs: wholeNumber(0, { description: 'of the last try' }),
  problem: nullable(Type.String({ description: 'why the last try failed, in words' })),
  firstAtMs: timeMs,
  atMs: timeMs,
  nextAtMs: nullable(timeMs),
});
export type Delivery = Static<typeof Delivery>;

export const DeliveryPage = strict({
  deliveries: Type.Array(Delivery),
  nextCursor: nullable(Type.String()),
});
export type DeliveryPage = Static<typeof DeliveryPage>;
