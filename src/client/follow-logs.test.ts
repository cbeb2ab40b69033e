import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import { FakeClock } from '../platform/clock.ts';
import { BlixardClient } from './client.ts';
import type { FollowEvent } from './follow-logs.ts';
import { id, json, lost, scripted } from './scripted.suite.ts';
import type { Transport, WireRequest, WireResponse } from './transport.ts';

describe('a followed log', () => {
  const stream = (text: string, thenFail = false): WireResponse => ({
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    body: Readable.from(
      (async function* () {
        yield Buffer.from(text);
        if (thenFail) throw new Error('socket hang up');
      })(),
    ),
  });
  const log = (offset: number, text: string): string => {
    const dataBase64 = Buffer.from(text).toString('base64');
    const data = JSON.stringify({ attempt: 1, stream: 'stdout', atMs: 1, dataBase64 });
    return `event: log\nid: 1:${offset}\ndata: ${data}\n\n`;
  };
  const end = 'event: end\ndata: {"job":{"id":"x"}}\n\n';

  it('goes on after the last event it has got', async () => {
    const { client, requests } = scripted(
      () => stream(`: hi\n\n${log(14, 'one')}`),
      () => stream(`${log(28, 'two')}event: log\nid: 1:99\ndata: {"atte`, true),
      lost,
      () => stream(`${log(42, 'three')}event: later-kind\ndata: {}\n\n${end}`),
    );
    const events: FollowEvent[] = [];
    for await (const event of client.followLogs(id, { attempt: 1 })) events.push(event);
    expect(events.map((event) => (event.kind === 'log' ? String(event.data) : event.kind))).toEqual([
      'one',
      'two',
      'three',
      'end',
    ]);
    expect(requests.map(({ headers }) => headers['last-event-id'])).toEqual([
      undefined,
      '1:14',
      '1:28',
      '1:28',
    ]);
    expect(requests[0]?.path).toBe(`/v1/jobs/${id}/logs?follow=true&attempt=1`);
  });

  it('goes on when it is cut off before the job has written anything', async () => {
    const cuts = Array.from({ length: limits.callTries }, () => lost);
    const { client } = scripted(
      () => stream(': following\n\n'),
      ...cuts,
      () => stream(end),
    );
    const events: FollowEvent[] = [];
    for await (const event of client.followLogs(id)) events.push(event);
    expect(events).toMatchObject([{ kind: 'end' }]);
  });

  it('goes on however often it is cut off while a job is silent, as long as the server is there', async () => {
    const clock = new FakeClock();
    let connections = 0;
    const transport: Transport = {
      url: 'test',
      send: async () => {
        if (++connections > 2 * limits.followTries) return stream(end);
        const body = async function* () {
          yield Buffer.from(': following\n\n');
          clock.advance(defaults.followHeartbeatMs);
          yield Buffer.from(': still here\n\n');
        };
        return { status: 200, headers: {}, body: Readable.from(body()) };
      },
      close: () => Promise.resolve(),
    };
    const events = new BlixardClient({ transport, clock }).followLogs(id)[Symbol.asyncIterator]();
    let isOver = false;
    const first = events.next().finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(1_000);
    }
    expect((await first).value).toMatchObject({ kind: 'end' });
  });

  it('gives up soon when it never got through, and at once when it is refused', async () => {
    const never = scripted(lost);
    await expect(never.client.followLogs(id)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
    });
    expect(never.requests).toHaveLength(limits.callTries);
    const refused = scripted(() => json(404, {}));
    await expect(refused.client.followLogs(id)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'SERVER_ANSWER_INVALID',
    });
    expect(refused.requests).toHaveLength(1);
  });

  it('takes a silent connection for lost', async () => {
    const clock = new FakeClock();
    const requests: WireRequest[] = [];
    const transport: Transport = {
      url: 'test',
      send: async (request) => {
        requests.push(request);
        if (requests.length > 1) return stream(end);
        const body = new Readable({ read: () => undefined });
        request.signal?.addEventListener('abort', () =>
          body.destroy(new DOMException('aborted', 'AbortError')),
        );
        return { status: 200, headers: {}, body };
      },
      close: () => Promise.resolve(),
    };
    const events = new BlixardClient({ transport, clock }).followLogs(id)[Symbol.asyncIterator]();
    const first = events.next();
    while (requests.length === 0 || clock.waiting === 0)
      await new Promise((resolve) => setImmediate(resolve));
    clock.advance(defaults.followSilenceMs);
    while (requests.length < 2) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(1_000);
    }
    expect((await first).value).toMatchObject({ kind: 'end' });
  });
});
