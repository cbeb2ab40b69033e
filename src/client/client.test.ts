import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { problemOfError } from '../contract/problem.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { isUuidV7 } from '../domain/ids.ts';
import { limits } from '../domain/limits.ts';
import { FakeClock } from '../platform/clock.ts';
import { BlixardClient } from './client.ts';
import { httpTransport } from './http-transport.ts';
import { id, json, lost, scripted } from './scripted.suite.ts';
import type { Transport, WireResponse } from './transport.ts';

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
    expect(isUuidV7(requests[3]?.headers['idempotency-key'] ?? '')).toBe(true);
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

    const cancel = scripted(lost, () => json(200, { id }));
    expect(await cancel.client.call('cancelJob', { params: { id } })).toEqual({ id });
    expect(cancel.requests).toHaveLength(2);

    const purge = scripted(lost);
    await expect(purge.client.call('purgeQueue', { params: { name: 'q' } })).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: expect.stringContaining('reset; the call was sent and may have been carried out'),
    });
    expect(purge.requests).toHaveLength(1);
  });

  it('that is a retry, redrive of named jobs, trigger or redelivery is sent again as it was', async () => {
    const schedule = { params: { name: 's' } };
    const calls = [
      (client: BlixardClient) => client.call('retryJob', { params: { id } }),
      (client: BlixardClient) => client.call('redriveQueue', { params: { name: 'q' }, body: { ids: [id] } }),
      (client: BlixardClient) => client.call('triggerSchedule', schedule),
      (client: BlixardClient) =>
        client.call('triggerSchedule', { ...schedule, headers: { 'idempotency-key': 'k' } }),
      (client: BlixardClient) => client.call('redeliver', { params: { name: 'h', id: 'evt_00000000' } }),
    ];
    for (const call of calls) {
      const { client, requests } = scripted(lost, ({ path }) =>
        json(path.endsWith('trigger') ? 201 : 200, {}),
      );
      await call(client);
      expect(requests).toHaveLength(2);
      const [first, second] = requests.map(({ path, headers, body }) => ({ path, headers, body }));
      expect(second).toEqual(first);
    }
    const any = scripted(lost);
    const redrive = any.client.call('redriveQueue', { params: { name: 'q' }, body: { limit: 5 } });
    await expect(redrive).rejects.toThrow('may have been carried out');
    expect(any.requests).toHaveLength(1);
  });

  it('takes an id, or ids, that are undefined as left out', async () => {
    const body: { command: string[] } = Object.assign({ command: ['true'] }, { id: undefined });
    const submit = scripted(lost, () => json(201, { id }));
    await submit.client.call('submitJob', { body });
    const [first, second] = submit.requests.map((request) => String(request.body));
    expect(isUuidV7((JSON.parse(first ?? '') as { id: string }).id)).toBe(true);
    expect(second).toBe(first);

    const redrive = scripted(() => json(200, { redriven: 0, more: false }));
    const all: { limit: number } = Object.assign({ limit: 5 }, { ids: undefined });
    await redrive.client.call('redriveQueue', { params: { name: 'q' }, body: all });
    expect(redrive.requests[0]).toMatchObject({ body: '{"limit":5}' });
    expect(redrive.requests[0]?.headers).not.toHaveProperty('idempotency-key');
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
      details: { problem: 'no answer within 1m30s' },
    });
    await Promise.resolve();
    clock.advance(60_000 + defaults.callTimeoutMs - 1);
    expect(aborted).toBe(false);
    clock.advance(1);
    await outcome;
    expect(clock.waiting).toBe(0);
  });
});

describe('a client that is closed', () => {
  const cut = () => {
    const clock = new FakeClock();
    let sent = 0;
    const send = async () => {
      sent++;
      return lost();
    };
    const transport: Transport = { url: 'test', send, close: () => Promise.resolve() };
    return { client: new BlixardClient({ transport, clock }), clock, sent: () => sent };
  };
  const waits = async (clock: FakeClock, timers: number) => {
    while (clock.waiting < timers) await new Promise((resolve) => setImmediate(resolve));
  };

  it('ends a call that waits to be tried again at once, and says so', async () => {
    const { client, clock, sent } = cut();
    const call = expect(client.call('getJob', { params: { id } })).rejects.toMatchObject({
      code: 'CLIENT_CLOSED',
      message: 'This client was closed: no answer had come, the call may have been carried out',
    });
    await waits(clock, 2);
    await client.close();
    await call;
    expect([sent(), clock.waiting]).toEqual([1, 0]);
  });

  it('ends who follows through it at once', async () => {
    const { client, clock, sent } = cut();
    const following = expect(client.followLogs(id)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'CLIENT_CLOSED',
    });
    await waits(clock, 1);
    await client.close();
    await following;
    expect([sent(), clock.waiting]).toEqual([1, 0]);
  });

  it('has kept nothing of the tries before', async () => {
    const any = vi.spyOn(AbortSignal, 'any');
    const listen = vi.spyOn(AbortSignal.prototype, 'addEventListener');
    const forget = vi.spyOn(AbortSignal.prototype, 'removeEventListener');
    const { client } = scripted(lost, lost, () => json(200, {}));
    await client.call('getStats');
    expect([any.mock.calls.length, listen.mock.calls.length]).toEqual([0, 4]);
    expect(forget.mock.instances).toEqual(listen.mock.instances);
    await client.close();
    vi.restoreAllMocks();
  });

  it('warns of nothing when many calls wait to be tried again', async () => {
    const warn = vi.spyOn(process, 'emitWarning');
    const { client, clock } = cut();
    const calls = Array.from({ length: 20 }, () => client.call('getStats').catch(() => 'ended'));
    await waits(clock, 40);
    await client.close();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ended']));
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  it('sends nothing more', async () => {
    const { client, sent } = cut();
    await client.close();
    await client.close();
    await expect(client.call('getStats')).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    await expect(client.followEvents()[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'CLIENT_CLOSED',
    });
    expect(sent()).toBe(0);
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
