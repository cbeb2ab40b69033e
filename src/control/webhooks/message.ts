/** What is sent to a webhook: body, id and signature after the Standard Webhooks convention. */
import { createHmac } from 'node:crypto';
import type { StoredEvent } from '../events/filter.ts';

/** One message; the id is the same for every try, so that a receiver can tell a repeat. */
export interface Message {
  readonly id: string;
  readonly kind: string;
  readonly eventSeq: number | null;
  readonly body: string;
}

const secretPrefix = 'whsec_';
export const testKind = 'webhook.test';

/** The message of an event; `hookId` makes its id differ from those of all other webhooks. */
export function messageOf(hookId: string, event: StoredEvent): Message {
  const { seq, atMs, kind, jobId, attempt, workerId, queue, data } = event;
  const told = { seq, jobId, attempt, workerId, queue, ...data };
  return { id: `evt_${hookId}_${seq}`, kind, eventSeq: seq, body: bodyOf(kind, atMs, told) };
}

/** A message that only tests whether a webhook is reached. */
export function testMessage(id: string, name: string, atMs: number): Message {
  return { id, kind: testKind, eventSeq: null, body: bodyOf(testKind, atMs, { webhook: name }) };
}

/** The value of `webhook-signature`: HMAC-SHA256 over `id.timestamp.body`. */
export function signatureOf(secret: string, id: string, timestampS: number, body: string): string {
  const key = Buffer.from(secret.slice(secretPrefix.length), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestampS}.${body}`).digest('base64')}`;
}

function bodyOf(type: string, atMs: number, data: object): string {
  return JSON.stringify({ type, at: new Date(atMs).toISOString(), data });
}
