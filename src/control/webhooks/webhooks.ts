/** Webhooks: what users do to them, and the loops that deliver to them. */
import {
  type Delivery,
  type DeliveryPage,
  type PutWebhook,
  type SavedWebhook,
  secretBytes,
  secretOf,
  type Webhook,
} from '../../contract/webhook.ts';
import { defaults } from '../../domain/defaults.ts';
import { BlixardError, isBlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { backoffDelayMs, infraBackoff } from '../../domain/retry.ts';
import { sleep } from '../../platform/clock.ts';
import type { Ids } from '../../platform/random.ts';
import type { Result, Row, Statement } from '../../store/database.ts';
import { integer } from '../../store/statements/columns.ts';
import {
  deleteDeliveries,
  deleteWebhook,
  deliveryById,
  hurryDelivery,
  listDeliveries,
  listWebhooks,
  pruneDeliveries,
  putWebhook,
  webhookByName,
} from '../../store/statements/webhooks.ts';
import { cursorOf, seqOf } from '../cursor.ts';
import { assertKinds } from '../events/assert-kinds.ts';
import { HookLoop, type HookLoopDeps } from './hook-loop.ts';
import { type Message, messageOf, testKind, testMessage } from './message.ts';
import { deliveryOf, type Hook, readHook, tryStatement, webhookOf } from './records.ts';

/** One per control process. Each command may also reject with STORE_UNAVAILABLE. */
export class Webhooks {
  readonly #deps: HookLoopDeps & { readonly ids: Ids };
  readonly #loops = new Map<string, HookLoop>();
  readonly #stopped = new AbortController();
  #starting: Promise<void> | undefined;
  /** Changes of loops, one after another. */
  #changing: Promise<void> = Promise.resolve();
  #sends = 0;

  constructor(deps: HookLoopDeps & { readonly ids: Ids }) {
    this.#deps = deps;
  }

  /** Begins to deliver, from where each webhook was; tries again while the store cannot be read. */
  start(): void {
    this.#starting ??= this.#startAll();
  }

  /** Resolves when nothing of it runs any more. What was under way is delivered again after the next start. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#starting;
    await this.#changing;
    await Promise.all([...this.#loops.values()].map((loop) => loop.stop()));
    this.#loops.clear();
    await this.#deps.sender.close();
  }

  /** All webhooks by name. */
  async list(): Promise<Webhook[]> {
    const values = { limit: limits.webhooksMax };
    return (await this.#deps.db.query(listWebhooks.with(values), { level: 'linearizable' })).map(webhookOf);
  }

  /** Throws WEBHOOK_NOT_FOUND. */
  async get(name: string): Promise<Webhook> {
    const [row] = await this.#deps.db.query(webhookByName.with({ name }), { level: 'linearizable' });
    if (row === undefined) throw new BlixardError('WEBHOOK_NOT_FOUND', { name });
    return webhookOf(row);
  }

  /**
   * Makes or changes one; the secret is told where it is the one that a new webhook was to have. Throws
   * VALIDATION_FAILED, WEBHOOK_TARGET_REFUSED, WEBHOOK_LIMIT.
   */
  async put(name: string, body: PutWebhook): Promise<SavedWebhook> {
    const { clock, ids, random, sender } = this.#deps;
    assertUrl(body.url);
    assertKinds(body.kinds ?? [], (place) => `kinds.${place}`);
    sender.assertTarget(body.url);
    const fresh = body.secretIfNew ?? secretOf(random.bytes(secretBytes));
    const [saved] = await this.#write(name, [
      putWebhook.with({
        name,
        id: ids(),
        url: body.url,
        kinds: JSON.stringify([...new Set(body.kinds ?? [])]),
        queue: body.queue ?? null,
        secret: body.secret ?? null,
        fresh,
        paused: body.paused === true ? 1 : 0,
        nowMs: clock.nowMs(),
      }),
    ]);
    const row = saved?.rows[0];
    if (row === undefined) throw new BlixardError('WEBHOOK_LIMIT', { max: limits.webhooksMax });
    await this.#reload(name);
    const isTold = body.secret === undefined && integer(row, 'is_made') === 1;
    // As it was written: it may have been removed since.
    return { webhook: webhookOf(row), secret: isTold ? fresh : null };
  }

  /** Throws WEBHOOK_NOT_FOUND. */
  async remove(name: string): Promise<{ name: string }> {
    const statements = [deleteDeliveries.with({ name }), deleteWebhook.with({ name })];
    const [, removed] = await this.#write(name, statements);
    if (removed?.rows.length !== 1) throw new BlixardError('WEBHOOK_NOT_FOUND', { name });
    await this.#reload(name);
    return { name };
  }

  /** The newest deliveries, newest first. Throws WEBHOOK_NOT_FOUND, VALIDATION_FAILED for a bad cursor. */
  async deliveries(name: string, query: { limit?: number; cursor?: string }): Promise<DeliveryPage> {
    await this.get(name);
    const limit = query.limit ?? defaults.pageSize;
    const before = query.cursor === undefined ? limits.integerMax : seqOf('deliveries', query.cursor);
    const rows = await this.#deps.db.query(listDeliveries.with({ name, before, limit }));
    const last = rows.length < limit ? undefined : rows.at(-1);
    const nextCursor = last === undefined ? null : cursorOf('deliveries', integer(last, 'seq'));
    return { deliveries: rows.map(deliveryOf), nextCursor };
  }

  /** Sends a test once, also to a paused webhook. Throws WEBHOOK_NOT_FOUND, OVERLOADED. */
  async test(name: string, signal: AbortSignal): Promise<Delivery> {
    const hook = await readHook(this.#deps.db, name);
    const id = `evt_${this.#deps.ids()}`;
    return this.#sendOnce(hook, testMessage(id, name, this.#deps.clock.nowMs()), signal);
  }

  /**
   * Sends a delivery again once, whatever became of it; one that is being retried is due now instead. Throws
   * WEBHOOK_NOT_FOUND, DELIVERY_NOT_FOUND, OVERLOADED.
   */
  async redeliver(name: string, deliveryId: string, signal: AbortSignal): Promise<Delivery> {
    const { db, clock } = this.#deps;
    const hook = await readHook(db, name);
    const values = { name, id: deliveryId };
    const [hurried] = await db.batch([hurryDelivery.with({ ...values, nowMs: clock.nowMs() })]);
    const retrying = hurried?.rows[0];
    if (retrying !== undefined) {
      await this.#reload(name);
      return deliveryOf(retrying);
    }
    const [row] = await db.query(deliveryById.with(values), { level: 'linearizable' });
    const message = row === undefined ? undefined : await this.#messageAgain(hook, row);
    if (message === undefined) throw new BlixardError('DELIVERY_NOT_FOUND', { name, deliveryId });
    return this.#sendOnce(hook, message, signal);
  }

  async #messageAgain(hook: Hook, row: Row): Promise<Message | undefined> {
    const { id, kind, eventSeq, firstAtMs } = deliveryOf(row);
    if (kind === testKind) return testMessage(id, hook.view.name, firstAtMs);
    const event = eventSeq === null ? undefined : await this.#deps.events.one(eventSeq);
    return event === undefined ? undefined : messageOf(hook.id, event);
  }

  async #sendOnce(hook: Hook, message: Message, signal: AbortSignal): Promise<Delivery> {
    const { db, clock, sender } = this.#deps;
    if (this.#sends >= limits.webhookSendsMax)
      throw new BlixardError('OVERLOADED', { problem: `${this.#sends} webhooks are being sent by hand` });
    this.#sends++;
    try {
      const startedAtMs = clock.nowMs();
      const outcome = await sender.send({ url: hook.view.url, secret: hook.secret }, message, signal);
      const state = outcome.problem === null ? 'delivered' : 'failed';
      const [written] = await db.batch([
        tryStatement(hook, { message, state, outcome, startedAtMs, nowMs: clock.nowMs(), nextAtMs: null }),
        pruneDeliveries.with({ webhook: hook.view.name }),
      ]);
      const row = written?.rows[0];
      if (row === undefined) throw new BlixardError('WEBHOOK_NOT_FOUND', { name: hook.view.name });
      return deliveryOf(row);
    } finally {
      this.#sends--;
    }
  }

  async #startAll(): Promise<void> {
    const { clock, log, random } = this.#deps;
    const { signal } = this.#stopped;
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        for (const { name, paused } of await this.list()) if (!paused) this.#startLoop(name);
        return;
      } catch (error) {
        log.error({ err: error, failures }, `webhooks: ${problemOf(error)}`);
        await sleep(clock, backoffDelayMs(infraBackoff, failures, random.unit()), signal);
      }
    }
  }

  /** A change whose answer was lost may be stored all the same: the loop goes on from what is. */
  async #write(name: string, statements: readonly Statement[]): Promise<readonly Result[]> {
    try {
      return await this.#deps.db.batch(statements);
    } catch (error) {
      // Why it could not be read is logged; what the user is told is why it was not written.
      if (isBlixardError(error, 'STORE_UNAVAILABLE')) await Promise.allSettled([this.#reload(name)]);
      throw error;
    }
  }

  /** Lets the loop of a webhook go on from what is stored now, if it has one to have. */
  #reload(name: string): Promise<void> {
    const change = async (): Promise<void> => {
      await this.#loops.get(name)?.stop();
      this.#loops.delete(name);
      try {
        const [row] = await this.#deps.db.query(webhookByName.with({ name }), { level: 'linearizable' });
        if (row !== undefined && !webhookOf(row).paused) this.#startLoop(name);
      } catch (error) {
        // The loop reads its webhook itself, again and again, and ends if there is nothing to deliver to.
        if (this.#loops.size < limits.webhooksMax) this.#startLoop(name);
        throw error;
      }
    };
    const changed = this.#changing.then(change);
    this.#changing = changed.catch((error: unknown) => {
      this.#deps.log.error({ err: error, webhook: name }, `webhooks: ${problemOf(error)}`);
    });
    return changed;
  }

  #startLoop(name: string): void {
    if (this.#starting === undefined || this.#stopped.signal.aborted || this.#loops.has(name)) return;
    this.#loops.set(name, new HookLoop(this.#deps, name));
  }
}

/** Throws VALIDATION_FAILED for what is no URL, and for one that carries a name or password. */
function assertUrl(url: string): void {
  const allowed = 'an http or https URL without user name, password and fragment';
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && parsed.username === '' && parsed.password === '' && parsed.hash === '') return;
  // It may hold a secret.
  const problem = `it must be ${allowed}`;
  throw new BlixardError('VALIDATION_FAILED', { field: 'url', value: 'not shown', allowed, problem });
}
