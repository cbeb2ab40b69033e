import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import type { FollowEvent } from '../../client/follow-logs.ts';
import { httpTransport } from '../../client/http-transport.ts';
import type { Transport } from '../../client/transport.ts';
import type { ClaimedJob } from '../../contract/worker.ts';
import { defaults } from '../../domain/defaults.ts';
import { limits } from '../../domain/limits.ts';
import { FakeClock } from '../../platform/clock.ts';
import { appTransport } from './app-transport.ts';
import { CuttingProxy } from './cutting-proxy.suite.ts';
import { startTestSystem, type TestSystem, TestWorker, textRecord } from './test-system.suite.ts';

let system: TestSystem;
let client: BlixardClient;
let worker: TestWorker;
beforeEach(async () => {
  system = await startTestSystem();
  client = new BlixardClient({ transport: httpTransport({ url: system.url }) });
  worker = new TestWorker(client, system.ids);
  await worker.register();
});
afterEach(async () => {
  await client.close();
  await system.close();
});

async function runningJob(): Promise<ClaimedJob> {
  await client.call('submitJob', { body: { command: ['true'] } });
  return worker.start();
}

async function* cutAfterOne(body: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    yield chunk as Buffer;
    break;
  }
  throw new Error('cut');
}

async function eventually(check: () => boolean): Promise<void> {
  for (let tries = 0; !check(); tries++) {
    if (tries > 200) expect.fail('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('a follower that goes away', () => {
  const transports = [
    ['a socket', () => httpTransport({ url: system.url })],
    ['no socket', () => appTransport(system.app)],
  ] as const;
  it.each(transports)('by its signal is let go of, over %s', async (_, make) => {
    const job = await runningJob();
    await worker.write(job, 0, [textRecord('one')]);
    const follower = new BlixardClient({ transport: make() });
    const gone = new AbortController();
    const events = follower.followLogs(job.jobId, { signal: gone.signal })[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ kind: 'log', data: Buffer.from('one') });
    expect(system.deps.logs.listened).toBe(1);
    const next = events.next();
    gone.abort();
    await expect(next).rejects.toMatchObject({ name: 'AbortError' });
    await eventually(() => system.deps.logs.listened === 0);
    await follower.close();
  });

  it.each(transports)('by leaving its loop is let go of, over %s', async (_, make) => {
    const job = await runningJob();
    await worker.write(job, 0, [textRecord('one')]);
    const follower = new BlixardClient({ transport: make() });
    for await (const event of follower.followLogs(job.jobId)) {
      expect(event.kind).toBe('log');
      break;
    }
    await eventually(() => system.deps.logs.listened === 0);
    await follower.close();
  });
});

describe('a followed log', () => {
  it('gives every byte once and in order when the connection is cut at any point', async () => {
    const proxy = await CuttingProxy.start(Number(new URL(system.url).port));
    const follower = new BlixardClient({ transport: httpTransport({ url: proxy.url }) });
    const job = await runningJob();
    const received: FollowEvent[] = [];
    const following = (async () => {
      for await (const event of follower.followLogs(job.jobId)) received.push(event);
    })();
    let offset = 0;
    const lines = Array.from({ length: 200 }, (_, i) => `line ${i} ${'x'.repeat((i * 37) % 700)}\n`);
    for (const line of lines) {
      offset = await worker.write(job, offset, [textRecord(line, offset % 2 === 0 ? 'stdout' : 'stderr')]);
    }
    await worker.end(job, 0);
    await following;

    const text = received.map((event) => (event.kind === 'log' ? String(event.data) : '')).join('');
    expect(text).toBe(lines.join(''));
    expect(received.at(-1)).toMatchObject({ kind: 'end' });
    expect(proxy.cuts).toBeGreaterThan(5);
    await follower.close();
    await proxy.close();
  }, 20_000);

  it('has all of the attempt it began with, also when it is cut off before that wrote anything', async () => {
    const first = await runningJob();
    const inner = httpTransport({ url: system.url });
    let goOn: () => void = () => undefined;
    const isBack = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let sent = 0;
    const send: Transport['send'] = async (request) => {
      const isFirst = ++sent === 1;
      if (!isFirst) await isBack;
      const response = await inner.send(request);
      return isFirst ? { ...response, body: Readable.from(cutAfterOne(response.body)) } : response;
    };
    const follower = new BlixardClient({ transport: { ...inner, send } });
    const received: FollowEvent[] = [];
    const following = (async () => {
      for await (const event of follower.followLogs(first.jobId)) received.push(event);
    })();
    await eventually(() => sent === 2);
    await worker.write(first, 0, [textRecord('one')]);
    await worker.end(first, 1);
    await client.call('retryJob', { params: { id: first.jobId } });
    const second = await worker.start();
    await worker.write(second, 0, [textRecord('two')]);
    goOn();
    await worker.end(second, 0);
    await following;
    const told = received.map((event) =>
      event.kind === 'log' ? [event.attempt, String(event.data)] : event.kind,
    );
    expect(told).toEqual([[1, 'one'], [2, 'two'], 'end']);
    await follower.close();
  });

  it('tells once how much is missing of a log that is too long', async () => {
    const small = await startTestSystem({ keepBytes: 64 * 1_000 });
    const own = new BlixardClient({ transport: appTransport(small.app) });
    const writer = new TestWorker(own, small.ids);
    await writer.register();
    const { id } = await own.call('submitJob', { body: { command: ['true'] } });
    const job = await writer.start();
    let offset = 0;
    for (let i = 0; i < 200; i++)
      offset = await writer.write(job, offset, [textRecord(`${i}`.padEnd(989, '.'))]);
    await writer.end(job, 0);
    const kept: number[] = [];
    const gaps: FollowEvent[] = [];
    for await (const event of own.followLogs(id)) {
      if (event.kind === 'log') kept.push(Number.parseInt(String(event.data), 10));
      if (event.kind === 'gap') gaps.push(event);
    }
    expect(gaps).toEqual([{ kind: 'gap', attempt: 1, missingBytes: (200 - kept.length) * 989 }]);
    expect(kept.slice(0, 32)).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect(kept.at(-1)).toBe(199);
    const attempts = await own.call('listAttempts', { params: { id } });
    expect(attempts.attempts[0]).toMatchObject({
      logBytes: 200 * 989,
      logMissingBytes: (200 - kept.length) * 989,
    });
    const whole = await fetch(`${small.url}/v1/jobs/${id}/logs`);
    expect(whole.headers.get('blixard-log-missing-bytes')).toBe(String((200 - kept.length) * 989));
    expect(whole.headers.get('blixard-log-ended')).toBe('true');
    expect((await whole.arrayBuffer()).byteLength).toBe(kept.length * 989);
    await small.close();
  });

  it('has an end to its followers', async () => {
    const job = await runningJob();
    const followers = Array.from({ length: limits.followersMax }, () => {
      const own = new BlixardClient({ transport: appTransport(system.app) });
      const events = own.followLogs(job.jobId)[Symbol.asyncIterator]();
      return events.next();
    });
    await eventually(() => system.deps.logs.listened === 1);
    const response = await fetch(`${system.url}/v1/jobs/${job.jobId}/logs?follow=true`);
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ code: 'OVERLOADED' });
    await worker.end(job, 0);
    expect((await Promise.all(followers)).every(({ value }) => (value as FollowEvent).kind === 'end')).toBe(
      true,
    );
    const after = await fetch(`${system.url}/v1/jobs/${job.jobId}/logs?follow=true`);
    expect(await after.text()).toContain('event: end');
  }, 20_000);

  it('refuses to go on inside a record, with a status and not with a stream that breaks', async () => {
    const job = await runningJob();
    await worker.write(job, 0, [textRecord('one')]);
    const path = `${system.url}/v1/jobs/${job.jobId}/logs?follow=true`;
    const signal = AbortSignal.timeout(2_000);
    for (const response of [
      await fetch(path, { headers: { 'last-event-id': '1:3' }, signal }),
      await fetch(`${path}&offset=3`, { signal }),
    ]) {
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: 'VALIDATION_FAILED', details: { value: '3' } });
    }
    await worker.end(job, 0);
  });

  it('says now and then that it is there', async () => {
    const clock = new FakeClock();
    const quiet = await startTestSystem({ clock });
    const own = new BlixardClient({ transport: appTransport(quiet.app) });
    const { id } = await own.call('submitJob', { body: { command: ['true'] } });
    const { body } = await appTransport(quiet.app).send({
      method: 'GET',
      path: `/v1/jobs/${id}/logs?follow=true`,
      headers: {},
    });
    let text = '';
    body.on('data', (chunk: Buffer) => {
      text += String(chunk);
    });
    await eventually(() => clock.waiting === 1 && text !== '');
    clock.advance(defaults.followHeartbeatMs - 1);
    expect(text).toBe(': following\nid: 1:0\n\n');
    clock.advance(1);
    await eventually(() => text === ': following\nid: 1:0\n\n: still here\n\n');
    await own.call('cancelJob', { params: { id } });
    await eventually(() => text.includes('event: end'));
    await quiet.close();
    expect(clock.waiting).toBe(0);
  });

  it('of a job that ended before it ran ends at once', async () => {
    const { id } = await client.call('submitJob', { body: { command: ['true'] } });
    await client.call('cancelJob', { params: { id } });
    const events: FollowEvent[] = [];
    for await (const event of client.followLogs(id)) events.push(event);
    expect(events).toMatchObject([{ kind: 'end', job: { state: 'cancelled' } }]);
    expect(await client.readLogs(id)).toMatchObject({ attempt: 0, records: [], ended: true });
  });
});

describe('closing the server', () => {
  it('ends waiting polls and followers, and is done soon', async () => {
    const job = await runningJob();
    await worker.write(job, 0, [textRecord('one')]);
    const poll = worker.work([], 1, 50_000).then(
      () => 'answered',
      (error: { code?: string }) => error.code,
    );
    const wait = client.call('getJob', { params: { id: job.jobId }, query: { waitMs: 50_000 } }).then(
      (answer) => answer.state,
      (error: { code?: string }) => error.code,
    );
    const follow = fetch(`${system.url}/v1/jobs/${job.jobId}/logs?follow=true`).then((answer) =>
      answer.text(),
    );
    // Holds a connection open without ever ending its request.
    const idle = connect(Number(new URL(system.url).port), '127.0.0.1', () =>
      idle.write('GET / HTTP/1.1\r\n'),
    );
    idle.on('error', () => idle.destroy());
    await eventually(() => system.deps.logs.listened === 1);
    const startMs = performance.now();
    await system.app.close();
    expect(performance.now() - startMs).toBeLessThan(7_000);
    expect(['answered', 'SERVER_CLOSING']).toContain(await poll);
    expect(['running', 'SERVER_CLOSING']).toContain(await wait);
    expect(await follow).toContain('event: log');
    expect(await follow).not.toContain('event: end');
    idle.destroy();
  }, 20_000);
});
