import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { problemOfError } from '../contract/problem.ts';
import { BlixardError } from '../domain/errors.ts';
import { isUuidV7 } from '../domain/ids.ts';
import { defaults, limits } from '../domain/limits.ts';
import { FakeClock } from '../platform/clock.ts';
import { BlixardClient } from './client.ts';
import type { FollowEvent } from './follow-logs.ts';
import { httpTransport } from './http-transport.ts';
import type { Transport, WireRequest, WireResponse } from './transport.ts';

const id = '018bcfe5-6800-7000-8000-000000000001';
const lost = (): never => {
  throw new BlixardError('SERVER_UNREACHABLE', { url: 'test', problem: 'reset' });
};
const json = (status: number, body: unknown): WireResponse => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: Readable.from([Buffer.from(JSON.stringify(body))]),
});

/** Answers each request with the next of these, the last one again and again. */
function scripted(...answers: ((request: WireRequest) => WireResponse | Promise<WireResponse>)[]) {
  const requests: WireRequest[] = [];
  const transport: Transport = {
    url: 'test',
    send: async (request) => {
      requests.push(request);
      const answer = answers[Math.min(requests.length, answers.length) - 1];
      return answer === undefined ? lost() : answer(request);
    },
    close: () => Promise.resolve(),
  };
  return { client: new BlixardClient({ transport }), requests };
}

describe('a call', () => {
  it('is a request of the route table', async () => {
    const { client, requests } = scripted(() => json(200, { jobs: [], nextCursor: null }));
    await client.call('listJobs', { query: { state: 'failed', limit: 5 } });
    await client.call('getJob', { params: { id: 'a/b' } });
    await client.call('cancelJob', { params: { id }, body: { reason: 'no more' } });
    await client.call('retryJob', { params: { id } });
    expect(requests.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['GET', '/v1/jobs?state=failed&limit=5', undefined],
      ['GET', '/v1/jobs/a%2Fb', undefined],
      ['POST', `/v1/jobs/${id}/cancel`, '{"reason":"no more"}'],
      ['POST', `/v1/jobs/${id}/retry`, '{}'],
    ]);
  });

  it('is tried again when the connection is lost, if that is safe', async () => {
    const get = scripted(lost, lost, () => json(200, { id }));
    expect(await get.client.call('getJob', { params: { id } })).toEqual({ id });
    expect(get.requests).toHaveLength(3);

    const submit = scripted(lost, () => json(201, { id }));
    await submit.client.call('submitJob', { body: { command: ['true'] } });
    const bodies = submit.requests.map(({ body }) => JSON.parse(String(body)) as { id: string });
    expect(isUuidV7(bodies[0]?.id ?? '')).toBe(true);
    expect(bodies[1]).toEqual(bodies[0]);

    const batch = scripted(lost, () => json(201, { jobs: [] }));
    await batch.client.call('submitJobs', { body: [{ command: ['a'] }, { command: ['b'] }] });
    const [first, second] = batch.requests;
    expect(first?.headers['content-type']).toBe('application/x-ndjson');
    expect(String(first?.body)).toMatch(/^{"id":"[0-9a-f-]{36}","command":\["a"\]}\n{"id":.*\["b"\]}\n$/);
    expect(second?.body).toEqual(first?.body);

    const cancel = scripted(lost);
    await expect(cancel.client.call('cancelJob', { params: { id } })).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
    });
    expect(cancel.requests).toHaveLength(1);
  });

  it('is tried so often and no more', async () => {
    const { client, requests } = scripted(lost);
    await expect(client.call('getStats')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(requests).toHaveLength(limits.callTries);
  });

  it('keeps the id it is given', async () => {
    const { client, requests } = scripted(() => json(201, {}));
    await client.call('submitJob', { body: { command: ['true'], id } });
    expect(JSON.parse(String(requests[0]?.body))).toEqual({ command: ['true'], id });
  });

  it('rejects with the error the server told of', async () => {
    const told = new BlixardError('JOB_NOT_FOUND', { jobId: id });
    const { client } = scripted(() => ({
      ...json(404, problemOfError(told)),
      headers: { 'content-type': 'application/problem+json' },
    }));
    await expect(client.call('getJob', { params: { id } })).rejects.toMatchObject({
      code: 'JOB_NOT_FOUND',
      message: told.message,
      details: { jobId: id },
    });
  });

  it('rejects what is no answer of a Blixard server', async () => {
    const text = (status: number, contentType: string, body: string): WireResponse => ({
      status,
      headers: { 'content-type': contentType },
      body: Readable.from([Buffer.from(body)]),
    });
    for (const answer of [
      text(200, 'text/html', '<html>'),
      text(200, 'application/json', '3'),
      text(404, 'text/html', 'nginx'),
      text(404, 'application/problem+json', '{"code":"OTHER"}'),
      text(404, 'application/problem+json', 'x'),
      text(204, 'application/json', ''),
    ]) {
      const { client } = scripted(() => answer);
      await expect(client.call('getStats')).rejects.toMatchObject({ code: 'SERVER_ANSWER_INVALID' });
    }
  });

  it('that gets no answer ends at its time, which grows with the time the server may wait', async () => {
    const clock = new FakeClock();
    let aborted = false;
    const transport: Transport = {
      url: 'test',
      send: ({ signal }) =>
        new Promise((_, reject) => {
          signal?.addEventListener('abort', () => {
            aborted = true;
            reject(new DOMException('aborted', 'AbortError'));
          });
        }),
      close: () => Promise.resolve(),
    };
    const client = new BlixardClient({ transport, clock });
    const call = client.call('getJob', { params: { id }, query: { waitMs: 60_000 } });
    const outcome = expect(call).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      details: { problem: 'no answer within 90000 ms' },
    });
    await Promise.resolve();
    clock.advance(60_000 + defaults.callTimeoutMs - 1);
    expect(aborted).toBe(false);
    clock.advance(1);
    await outcome;
    expect(clock.waiting).toBe(0);
  });
});

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

describe('the transport over a socket', () => {
  it('names the server that does not answer', async () => {
    const server = await listening();
    const url = urlOf(server);
    await new Promise((resolve) => server.close(resolve));
    const client = new BlixardClient({ transport: httpTransport({ url }) });
    await expect(client.call('cancelJob', { params: { id } })).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      details: { url },
    });
    await client.close();
  });

  it('refuses what is no address', () => {
    for (const url of ['', 'localhost:3020', 'ftp://localhost', 'http://localhost/path', 'http://']) {
      expect(() => httpTransport({ url })).toThrow(expect.objectContaining({ code: 'USAGE' }));
    }
  });

  it('is no error of Blixard when the caller aborts', async () => {
    const server = await listening();
    const client = new BlixardClient({ transport: httpTransport({ url: urlOf(server) }) });
    await expect(client.call('getStats', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    const gone = new AbortController();
    setTimeout(() => gone.abort(), 50);
    await expect(client.call('getStats', { signal: gone.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    await client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Takes requests and never answers. */
  async function listening(): Promise<Server> {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  function urlOf(server: Server): string {
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
});
