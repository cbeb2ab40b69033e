import { describe, expect, it } from 'vitest';
import { defaults } from '../../domain/defaults.ts';
import { limits } from '../../domain/limits.ts';
import { Receiver } from './receiver.suite.ts';
import { retryAfterMs } from './sender.ts';
import {
  answerWell,
  client,
  clock,
  crash,
  deliveries,
  eventually,
  failWith,
  get,
  name,
  put,
  receiveAgain,
  receiver,
  submit,
  system,
  useWebhookScene,
} from './webhook-scene.suite.ts';

useWebhookScene();
const minute = 60_000;

describe('a delivery that fails', () => {
  it('is tried again after a while under the same id, and later events wait for it', async () => {
    failWith(500);
    await put();
    await submit();
    await submit();
    await eventually(async () => (await get()).retry?.tries === 1);
    expect((await get()).retry).toMatchObject({ problem: 'the answer was 500', eventSeq: 1 });
    answerWell();
    clock.advance(3_000);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(receiver.received).toHaveLength(1);
    clock.advance(2_000);
    await eventually(() => receiver.received.length === 3);
    const [first, again, second] = receiver.received;
    expect(again?.id).toBe(first?.id);
    expect(again?.body).toBe(first?.body);
    expect(second?.data['seq']).toBe(2);
    await eventually(async () => (await get()).seq === 2);
    expect((await deliveries())[1]).toMatchObject({ state: 'delivered', tries: 2, statusCode: 200 });
  });

  it('is given up after its last try, and the next one’s turn comes', async () => {
    failWith(503);
    await put();
    await submit();
    for (let tries = 1; tries < limits.webhookTriesMax; tries++) {
      await eventually(async () => (await get()).retry?.tries === tries);
      clock.advance(10 * minute);
    }
    await eventually(async () => (await get()).seq === 1);
    expect(receiver.received).toHaveLength(limits.webhookTriesMax);
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(1);
    expect(await deliveries()).toMatchObject([
      { state: 'failed', tries: limits.webhookTriesMax, statusCode: 503 },
    ]);
    answerWell();
    await submit();
    await eventually(async () => (await get()).seq === 2);
  });

  it('waits as long as the receiver asks, within bounds', async () => {
    failWith(429, { 'retry-after': '120' });
    await put();
    await submit();
    await eventually(async () => (await get()).retry !== null);
    expect((await get()).retry?.nextAtMs).toBe(clock.nowMs() + 2 * minute);
    const nowMs = Date.parse('2026-01-01T00:00:00Z');
    expect(retryAfterMs('Thu, 01 Jan 2026 00:01:00 GMT', nowMs)).toBe(minute);
    expect(retryAfterMs('99999999', nowMs)).toBe(limits.webhookRetryAfterMsMax);
    for (const odd of ['-1', 'soon', 'Thu, 01 Jan 1970 00:00:00 GMT', undefined])
      expect(retryAfterMs(odd, nowMs), odd).toBe(0);
  });

  it('was answered by a redirect, too late, without end, or not at all', async () => {
    await put();
    const test = () => client.call('testWebhook', { params: { name } });
    failWith(302, { location: receiver.url });
    expect(await test()).toMatchObject({ state: 'failed', statusCode: 302, problem: 'the answer was 302' });
    expect(receiver.received).toHaveLength(1);

    receiver.react = () => clock.advance(defaults.webhookTimeoutMs);
    expect(await test()).toMatchObject({
      state: 'failed',
      statusCode: null,
      problem: expect.stringContaining('within 10s'),
    });

    receiver.react = (response) => {
      const drip = (): void =>
        void (response.write('x'.repeat(16_384)) ? setImmediate(drip) : response.once('drain', drip));
      response.on('error', () => undefined);
      drip();
    };
    expect(await test()).toMatchObject({ state: 'delivered', statusCode: 200 });

    const { port } = receiver;
    await receiver.close();
    expect(await test()).toMatchObject({
      state: 'failed',
      statusCode: null,
      problem: expect.stringContaining('ECONNREFUSED'),
    });
    await receiveAgain(port);
    expect(await test()).toMatchObject({ state: 'delivered' });
  });

  it('holds up nobody else', async () => {
    const dead = await Receiver.start();
    dead.react = () => undefined;
    await client.call('putWebhook', { params: { name: 'dead' }, body: { url: dead.url } });
    await put();
    for (let i = 0; i < 50; i++) await submit();
    await eventually(() => receiver.received.length === 50);
    expect(dead.received).toHaveLength(1);
    await client.call('deleteWebhook', { params: { name: 'dead' } });
    await dead.close();
  });

  it('is forgotten when the webhook does not want it any more', async () => {
    failWith(500);
    await put();
    await submit('a');
    await eventually(async () => (await get()).retry !== null);
    answerWell();
    await put({ queue: 'b' });
    await submit('b');
    await eventually(async () => (await get()).seq === 2);
    expect((await get()).retry).toBeNull();
    expect((await deliveries()).map(({ state }) => state)).toEqual(['delivered', 'failed']);
  });

  it('stays the next when the webhook wants more: what was passed over before it does not come first', async () => {
    failWith(500);
    await put({ queue: 'b' });
    await submit('a');
    await submit('b');
    await eventually(async () => (await get()).retry?.eventSeq === 2);
    answerWell();
    await put({ queue: null });
    clock.advance(minute);
    await eventually(async () => (await get()).seq === 2);
    expect(receiver.received.map(({ data }) => data['seq'])).toEqual([2, 2]);
    expect(await deliveries()).toMatchObject([{ eventSeq: 2, state: 'delivered', tries: 2 }]);
  });
});

describe('after a crash', () => {
  it('goes on behind the last delivery, and nothing is lost', async () => {
    await put();
    await submit();
    await eventually(async () => (await get()).seq === 1);
    await put({ paused: true });
    for (let i = 0; i < 5; i++) await submit();
    await crash();
    await put();
    await submit();
    await eventually(() => receiver.received.length === 7);
    expect(receiver.received.map(({ data }) => data['seq'])).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('sends again, under the same id, what it had not written down', async () => {
    receiver.react = () => undefined;
    await put();
    await submit();
    await eventually(() => receiver.received.length === 1);
    await crash();
    await eventually(() => receiver.received.length === 2);
    expect(receiver.received[1]?.id).toBe(receiver.received[0]?.id);
    expect(receiver.received[1]?.body).toBe(receiver.received[0]?.body);
  });

  it('counts the tries from before', async () => {
    failWith(500);
    await put();
    await submit();
    await eventually(async () => (await get()).retry?.tries === 1);
    clock.advance(minute);
    await eventually(async () => (await get()).retry?.tries === 2);
    await crash();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(receiver.received).toHaveLength(2);
    clock.advance(minute);
    await eventually(async () => (await get()).retry?.tries === 3);
  });
});

it('a webhook that wants nothing of a flood keeps its place all the same', async () => {
  await put({ kinds: ['worker.'] });
  const rows = JSON.stringify(Array.from({ length: limits.webhookCursorStep }, () => 0));
  await system.db.batch([
    {
      sql: `INSERT INTO events (at_ms, kind, data) SELECT 1, 'test.noise', '{}' FROM json_each(?)`,
      args: [rows],
    },
  ]);
  await eventually(async () => (await get()).seq === limits.webhookCursorStep);
  expect(receiver.received).toEqual([]);
});

it('a webhook that wants nothing of a few events keeps its place after a while', async () => {
  await put({ kinds: ['worker.'] });
  await submit();
  await submit();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect((await get()).seq).toBe(0);
  clock.advance(defaults.webhookPlaceMs);
  await eventually(async () => (await get()).seq === 2);
  expect(receiver.received).toEqual([]);
});
