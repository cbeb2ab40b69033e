/** What is stored of webhooks and their deliveries, read and written. */
import type { Delivery, Webhook } from '../../contract/webhook.ts';
import { BlixardError } from '../../domain/errors.ts';
import type { Database, Row, Statement } from '../../store/database.ts';
import {
  integer,
  integerOrNull,
  json,
  jsonOrNull,
  text,
  textOrNull,
} from '../../store/statements/columns.ts';
import { webhookToSend, writeTry } from '../../store/statements/webhooks.ts';
import type { Message } from './message.ts';
import type { TryOutcome } from './sender.ts';

/** A webhook with all that sending needs. */
export interface Hook {
  readonly view: Webhook;
  /** Differs between two webhooks that had the same name one after the other. */
  readonly id: string;
  readonly secret: string;
}

/** A try that is to be written down. */
export interface Try {
  readonly message: Message;
  readonly state: Delivery['state'];
  readonly outcome: TryOutcome;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly nextAtMs: number | null;
}

/** Throws WEBHOOK_NOT_FOUND. */
export async function readHook(db: Database, name: string): Promise<Hook> {
  const hook = await findHook(db, name);
  if (hook === undefined) throw new BlixardError('WEBHOOK_NOT_FOUND', { name });
  return hook;
}

/** Undefined when there is no webhook of this name. */
export async function findHook(db: Database, name: string): Promise<Hook | undefined> {
  const [row] = await db.query(webhookToSend.with({ name }), { level: 'linearizable' });
  if (row === undefined) return undefined;
  return { view: webhookOf(row), id: text(row, 'id'), secret: text(row, 'secret') };
}

/** The row of a delivery with this try. */
export function tryStatement(hook: Hook, done: Try): Statement {
  const { message, outcome } = done;
  return writeTry.with({
    webhook: hook.view.name,
    webhookId: hook.id,
    id: message.id,
    eventSeq: message.eventSeq,
    kind: message.kind,
    state: done.state,
    statusCode: outcome.statusCode,
    durationMs: outcome.durationMs,
    problem: outcome.problem,
    firstAtMs: done.startedAtMs,
    nowMs: done.nowMs,
    nextAtMs: done.nextAtMs,
  });
}

/** A webhook as anybody may see it. */
export function webhookOf(row: Row): Webhook {
  return {
    name: text(row, 'name'),
    url: text(row, 'url'),
    kinds: json<string[]>(row, 'kinds'),
    queue: textOrNull(row, 'queue'),
    paused: integer(row, 'paused') === 1,
    seq: integer(row, 'cursor_seq'),
    retry: jsonOrNull<Webhook['retry']>(row, 'retry'),
    createdAtMs: integer(row, 'created_at_ms'),
    updatedAtMs: integer(row, 'updated_at_ms'),
  };
}

/** A delivery. */
export function deliveryOf(row: Row): Delivery {
  return {
    id: text(row, 'id'),
    kind: text(row, 'kind'),
    eventSeq: integerOrNull(row, 'event_seq'),
    state: text(row, 'state') as Delivery['state'],
    tries: integer(row, 'tries'),
    statusCode: integerOrNull(row, 'status_code'),
    durationMs: integer(row, 'duration_ms'),
    problem: textOrNull(row, 'problem'),
    firstAtMs: integer(row, 'first_at_ms'),
    atMs: integer(row, 'at_ms'),
    nextAtMs: integerOrNull(row, 'next_at_ms'),
  };
}
