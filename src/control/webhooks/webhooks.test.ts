import { describe, expect, it, vi } from 'vitest';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { silentLog } from '../../platform/log.ts';
import type { SqliteDatabase } from '../../store/sqlite/sqlite.ts';
import { forgetEvents } from '../../store/statements/forget.ts';
import { webhookByName } from '../../store/statements/webhooks.ts';
import { isSigned } from './receiver.suite.ts';
import {
  answerWell,
  client,
  clock,
  deliveries,
  eventually,
  failWith,
  get,
  name,
  put,
  receiver,
  submit,
  system,
  useWebhookScene,
} from './webhook-scene.suite.ts';

useWebhookScene();
const minute = 60_000;

describe('a webhook', () => {
  it('gets the events from its making on, signed, in order, each under its own id', async () => {
    await submit();
    const { secret, webhook } = await put();
    expect(webhook).toMatchObject({ name, seq: 1, paused: false, retry: null, kinds: [], queue: null });
    const job = await submit('builds');
    await client.call('cancelJob', { params: { id: job.id }, body: { reason: 'enough' } });
    await eventually(() => receiver.received.length === 3);

    expect(receiver.types).toEqual(['job.submitted', 'job.cancel_requested', 'job.cancelled']);
    const [first] = receiver.received;
    expect(first?.data).toMatchObject({ seq: 2, jobId: job.id, queue: 'builds', state: 'pending' });
    expect(first?.at).toBe(new Date(clock.nowMs()).toISOString());
    expect(first?.headers['content-type']).toBe('application/json');
    expect(receiver.received.every((message) => isSigned(secret ?? '', message))).toBe(true);
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(3);
    await eventually(async () => (await get()).seq === 4);
    expect(await deliveries()).toMatchObject([
      { state: 'delivered', kind: 'job.cancelled', eventSeq: 4, statusCode: 204, tries: 1, problem: null },
      { state: 'delivered', kind: 'job.cancel_requested', eventSeq: 3, statusCode: 204, tries: 1 },
      { state: 'delivered', kind: 'job.submitted', eventSeq: 2, statusCode: 204, tries: 1 },
    ]);
  });

  it('of a queue gets what it has missed of jobs that are forgotten by then, with their queue', async () => {
    await put({ queue: 'builds', kinds: ['job.cancelled'], paused: true });
    const { id } = await submit('builds');
    await client.call('cancelJob', { params: { id } });
    await client.call('removeJob', { params: { id } });
    await put({ queue: 'builds', kinds: ['job.cancelled'] });
    await eventually(() => receiver.received.length === 1);
    expect(receiver.received[0]?.data).toMatchObject({ jobId: id, queue: 'builds', reason: 'cancelled' });
  });

  it('is told to who made it, with its secret, although it is removed right after', async () => {
    const [made, removed] = await Promise.all([put(), client.call('deleteWebhook', { params: { name } })]);
    expect(made).toMatchObject({
      webhook: { name, paused: false },
      secret: expect.stringMatching(/^whsec_/),
    });
    expect(removed).toEqual({ name });
    await expect(get()).rejects.toMatchObject({ code: 'WEBHOOK_NOT_FOUND' });
  });

  it('gets only what it asks for', async () => {
    await put({ kinds: ['job.cancelled', 'worker.'], queue: 'builds' });
    for (const queue of ['default', 'builds']) {
      const { id } = await submit(queue);
      await client.call('cancelJob', { params: { id } });
    }
    await eventually(() => receiver.received.length === 1);
    expect(receiver.received).toMatchObject([{ type: 'job.cancelled', data: { queue: 'builds', seq: 6 } }]);
  });

  it('refuses a kind that is none; a webhook stored with one is still told', async () => {
    await expect(put({ kinds: ['job.', 'job.compleeted'] })).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'kinds.1', value: '"job.compleeted"' },
    });
    await put({ kinds: ['job.'] });
    await system.db.batch([{ sql: `UPDATE webhooks SET kinds = '["job.compleeted"]'` }]);
    expect((await get()).kinds).toEqual(['job.compleeted']);
  });

  it('never tells its secret again', async () => {
    const { secret } = await put();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const bare = (secret ?? '').slice('whsec_'.length);
    const again = await put({ kinds: ['job.'] });
    expect(again.secret).toBeNull();
    await submit();
    await eventually(() => receiver.received.length === 1);
    expect(receiver.received.every((message) => isSigned(secret ?? '', message))).toBe(true);
    const given = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
    expect((await put({ secret: given })).secret).toBeNull();
    await client.call('testWebhook', { params: { name } });
    expect(isSigned(given, receiver.received[1] as never)).toBe(true);
    const told = JSON.stringify([
      await client.call('listWebhooks'),
      await get(),
      await client.call('listDeliveries', { params: { name } }),
      await client.listEvents(),
      receiver.received,
    ]);
    expect(told).not.toContain(bare);
    expect(told).not.toContain(given.slice('whsec_'.length));
  });

  it('that is made with a secretIfNew tells it again to the same call, and only where it is its secret', async () => {
    const secretFrom = (n: number) => `whsec_${Buffer.alloc(32, n).toString('base64')}`;
    const [mine, other] = [secretFrom(1), secretFrom(2)];
    for (let n = 0; n < 2; n++) expect((await put({ secretIfNew: mine })).secret).toBe(mine);
    expect((await put({ secretIfNew: other })).secret).toBeNull();
    expect((await put({ secret: other, secretIfNew: other })).secret).toBeNull();
    expect((await put({ secretIfNew: mine })).secret).toBeNull();
    await client.call('testWebhook', { params: { name } });
    expect(isSigned(other, receiver.received[0] as never)).toBe(true);
    const bad = put({ secretIfNew: 'whsec_short' }).catch(String);
    expect(await bad).toMatch(/secretIfNew: is not shown; allowed: whsec_/);
  });

  it('is refused with a bad URL, secret or address, and past the limit', async () => {
    const refusedWith = (code: string) => expect.objectContaining({ code });
    for (const url of ['ftp://x', 'http://', 'http://u:p@127.0.0.1/', 'no url', 'http://127.0.0.1/#x'])
      await expect(put({ url }), url).rejects.toEqual(refusedWith('VALIDATION_FAILED'));
    const told = put({ secret: 'whsec_short' }).catch(
      (error: unknown) => JSON.stringify(error) + String(error),
    );
    expect(await told).toContain('VALIDATION_FAILED');
    expect(await told).not.toContain('whsec_short');
    await expect(put({ kinds: ['Job'] })).rejects.toEqual(refusedWith('VALIDATION_FAILED'));
    await expect(put({ url: 'http://169.254.169.254/latest/meta-data' })).rejects.toEqual(
      refusedWith('WEBHOOK_TARGET_REFUSED'),
    );
    await expect(get()).rejects.toEqual(refusedWith('WEBHOOK_NOT_FOUND'));
    for (let i = 0; i < limits.webhooksMax; i++)
      await client.call('putWebhook', {
        params: { name: `n${i}` },
        body: { url: receiver.url, paused: true },
      });
    await expect(put()).rejects.toEqual(refusedWith('WEBHOOK_LIMIT'));
    await client.call('putWebhook', { params: { name: 'n7' }, body: { url: receiver.url, paused: true } });
  });

  it('sends nothing while paused, and all of it after', async () => {
    await put();
    await put({ paused: true });
    for (let i = 0; i < 3; i++) await submit();
    expect(await get()).toMatchObject({ paused: true, seq: 0 });
    expect(receiver.received).toEqual([]);
    await put();
    await eventually(() => receiver.received.length === 3);
    expect(receiver.received.map(({ data }) => data['seq'])).toEqual([1, 2, 3]);
  });

  it('that has missed what is not kept any more goes on behind it, and the log says so', async () => {
    await put();
    await submit();
    await eventually(async () => (await get()).seq === 1);
    await put({ paused: true });
    for (let i = 0; i < 3; i++) await submit();
    await system.db.batch([forgetEvents.with({ before: 4 })]);
    const warn = vi.spyOn(silentLog, 'warn');
    await put();
    await eventually(() => receiver.received.length === 2);
    expect(receiver.received[1]?.data).toMatchObject({ seq: 4 });
    const missed = { webhook: name, after: 1, oldest: 4 };
    expect(warn.mock.calls).toEqual([[missed, expect.stringContaining('no longer kept')]]);
    warn.mockRestore();
  });

  it('goes on delivering when it could not be read after it was changed', async () => {
    await put();
    await submit();
    await eventually(async () => (await get()).seq === 1);
    const real = system.db.query.bind(system.db);
    const query = vi.spyOn(system.db, 'query').mockImplementation((statement, options) => {
      if (statement.sql !== webhookByName.with({ name }).sql) return real(statement, options);
      query.mockRestore();
      return Promise.reject(new BlixardError('STORE_UNAVAILABLE', { problem: 'for a moment' }));
    });
    await expect(put({ kinds: ['job.cancelled'] })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const { id } = await submit();
    await client.call('cancelJob', { params: { id } });
    await eventually(() => receiver.received.length === 2);
    expect(receiver.types).toEqual(['job.submitted', 'job.cancelled']);
  });

  it('begins to deliver when it was stored and the answer of the store was lost', async () => {
    const real = system.db.batch.bind(system.db);
    const batch = vi.spyOn(system.db, 'batch').mockImplementation(async (statements) => {
      batch.mockRestore();
      await real(statements);
      throw new BlixardError('STORE_UNAVAILABLE', { problem: 'the answer was lost' });
    });
    await expect(put()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await submit();
    await eventually(() => receiver.received.length === 1);
  });

  it('is gone when it is removed, with its deliveries', async () => {
    await put();
    await submit();
    await eventually(async () => (await get()).seq === 1);
    await client.call('deleteWebhook', { params: { name } });
    await submit();
    await expect(deliveries()).rejects.toMatchObject({ code: 'WEBHOOK_NOT_FOUND' });
    await put();
    expect(await deliveries()).toEqual([]);
    expect(receiver.received).toHaveLength(1);
  });

  it('costs nothing while nothing happens', async () => {
    await put();
    await submit();
    await eventually(async () => (await get()).seq === 1);
    const db = system.db as SqliteDatabase;
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { queries, statements } = db.stats();
    clock.advance(60 * minute);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(db.stats()).toMatchObject({ queries, statements });
    expect(clock.waiting).toBe(0);
  });
});

describe('sending by hand', () => {
  it('delivers once more what was delivered, given up, or a test', async () => {
    const { secret } = await put();
    await submit();
    await eventually(async () => (await get()).seq === 1);
    const [done] = await deliveries();
    const params = { name, id: done?.id ?? '' };
    expect(await client.call('redeliver', { params })).toMatchObject({
      id: done?.id,
      tries: 2,
      state: 'delivered',
    });
    expect(receiver.received[1]?.body).toBe(receiver.received[0]?.body);
    expect(receiver.received.every((message) => isSigned(secret ?? '', message))).toBe(true);

    const test = await client.call('testWebhook', { params: { name } });
    await client.call('redeliver', { params: { name, id: test.id } });
    expect(receiver.types.slice(2)).toEqual(['webhook.test', 'webhook.test']);
    expect(receiver.received[3]?.body).toBe(receiver.received[2]?.body);
    await expect(client.call('redeliver', { params: { name, id: 'evt_00000000' } })).rejects.toMatchObject({
      code: 'DELIVERY_NOT_FOUND',
    });
  });

  it('hurries what is being tried again', async () => {
    failWith(500);
    await put();
    await submit();
    await eventually(async () => (await get()).retry !== null);
    answerWell();
    const id = (await get()).retry?.deliveryId ?? '';
    expect(await client.call('redeliver', { params: { name, id } })).toMatchObject({ state: 'retrying' });
    await eventually(async () => (await get()).seq === 1);
    expect(receiver.received).toHaveLength(2);
  });

  it('is bounded, and so is the log of deliveries', async () => {
    const waiting: (() => void)[] = [];
    receiver.react = (response) => void waiting.push(() => response.writeHead(200).end());
    await put({ paused: true });
    const test = () => client.call('testWebhook', { params: { name } });
    const sends = Array.from({ length: limits.webhookSendsMax }, test);
    await eventually(() => waiting.length === limits.webhookSendsMax);
    await expect(test()).rejects.toMatchObject({ code: 'OVERLOADED' });
    for (const answer of waiting) answer();
    await Promise.all(sends);
    answerWell();
    for (let i = 0; i < limits.webhookDeliveriesKept; i++) await test();
    const page = await client.call('listDeliveries', { params: { name }, query: { limit: 500 } });
    expect(page.deliveries).toHaveLength(limits.webhookDeliveriesKept);
    const first = await client.call('listDeliveries', { params: { name }, query: { limit: 3 } });
    const cursor = first.nextCursor ?? '';
    const next = await client.call('listDeliveries', { params: { name }, query: { limit: 3, cursor } });
    expect([...first.deliveries, ...next.deliveries]).toEqual(page.deliveries.slice(0, 6));
  });
});
