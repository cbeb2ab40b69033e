import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { raw } from './ask.suite.ts';
import { startTestSystem, type TestSystem } from './test-system.suite.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
});
afterAll(() => system.close());

const host = 'host: 127.0.0.1\r\n';

describe('without a token only this machine may ask', () => {
  const get = (headers: string): Promise<string> =>
    raw(system.url, `GET /v1/jobs HTTP/1.1\r\n${headers}connection: close\r\n\r\n`);
  const cancel = (headers: string): Promise<string> =>
    raw(system.url, `POST /v1/jobs/0000/cancel HTTP/1.1\r\n${headers}connection: close\r\n\r\n`);

  it('so a rebound name is refused, and no host at all', async () => {
    for (const headers of [
      'host: evil.example\r\n',
      'host: 127.0.0.1.evil.example\r\n',
      'host: localhost@evil\r\n',
      '',
    ]) {
      const answer = await get(headers);
      expect(answer).toContain('HTTP/1.1 403');
      expect(answer).toContain('CROSS_SITE_REFUSED');
    }
    for (const name of ['localhost', 'LOCALHOST:3020', '127.0.0.1:1', '[::1]:3020']) {
      expect(await get(`host: ${name}\r\n`)).toContain('HTTP/1.1 200');
    }
  });

  it('so a page of another site can change nothing', async () => {
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:9999', 'https://127.0.0.1']) {
      expect(await cancel(`${host}origin: ${origin}\r\n`)).toContain('CROSS_SITE_REFUSED');
    }
    expect(await cancel(`${host}origin: http://127.0.0.1\r\n`)).toContain('JOB_NOT_FOUND');
  });
});

describe('bytes that are no request', () => {
  it('get a problem and a closed connection', async () => {
    for (const bytes of ['\r\n\r\nnonsense\r\n\r\n', `FOO / HTTP/1.1\r\n${host}\r\n`]) {
      const answer = await raw(system.url, bytes);
      expect(answer).toContain('HTTP/1.1 400');
      expect(answer).toContain('"code":"HTTP_INVALID"');
    }
    const long = await raw(system.url, `GET /healthz HTTP/1.1\r\n${host}x: ${'y'.repeat(20_000)}\r\n\r\n`);
    expect(long).toContain('"code":"HTTP_INVALID"');
  });

  it('so does a request that expects what the server cannot do', async () => {
    const answer = await raw(system.url, `GET /healthz HTTP/1.1\r\n${host}expect: miracles\r\n\r\n`);
    expect(answer).toContain('HTTP/1.1 400');
    expect(answer).toContain('content-type: application/problem+json');
    expect(answer).toContain('the expect header is \\"miracles\\"; allowed: 100-continue');
  });

  it('a request that never comes to its end is cut off', async () => {
    system.app.server.headersTimeout = 300;
    const startMs = performance.now();
    const answer = await raw(system.url, `GET /healthz HTTP/1.1\r\n${host}`);
    expect(answer).toContain('HTTP/1.1 408');
    expect(answer).toContain('REQUEST_TIMEOUT');
    expect(performance.now() - startMs).toBeLessThan(4_000);
  });

  it('many requests at once on one connection are refused past a bound, each in its turn', async () => {
    const one = `GET /healthz HTTP/1.1\r\n${host}`;
    const count = limits.requestsPerConnection + 50;
    const answer = await raw(system.url, `${`${one}\r\n`.repeat(count - 1)}${one}connection: close\r\n\r\n`);
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    expect(statuses.length).toBe(count);
    expect(statuses.slice(0, limits.requestsPerConnection).every((status) => status === '200')).toBe(true);
    expect(statuses).toContain('429');
    expect(answer).toContain(`${limits.requestsPerConnection} requests are under way on this connection`);
  });

  it('of any kind never make the server fail', async () => {
    const noise = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => request('/v1/jobs', json)),
      fc.tuple(fc.webPath(), fc.string()).map(([path, body]) => request(path || '/', body)),
      fc
        .dictionary(fc.constantFrom('command', 'env', 'timeoutMs', 'backoff', 'x'), fc.jsonValue())
        .map((body) => request('/v1/jobs', JSON.stringify(body))),
    );
    await fc.assert(
      fc.asyncProperty(noise, async (bytes) => {
        const answer = await raw(system.url, Buffer.concat([bytes, Buffer.from('\r\n\r\n')]), true);
        // Now and then noise is a fine job.
        expect(answer === '' || /^HTTP\/1\.1 (201|4\d\d)/.test(answer), answer).toBe(true);
      }),
      { numRuns: 300 },
    );
    expect((await fetch(`${system.url}/healthz`)).status).toBe(200);
  }, 30_000);

  function request(path: string, body: string): Buffer {
    const bytes = Buffer.from(body);
    const type = 'content-type: application/json\r\nconnection: close\r\n';
    const head = `POST ${path} HTTP/1.1\r\n${host}${type}content-length: ${bytes.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), bytes]);
  }
});

describe('every answer', () => {
  it('carries the id of its request: the one given when it is fit, else a new one', async () => {
    const given = async (id: string): Promise<string | null> =>
      (await fetch(`${system.url}/healthz`, { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    expect(await given('abc-1')).toBe('abc-1');
    expect(await given('has space')).toMatch(/^[0-9a-f-]{36}$/);
    expect((await fetch(`${system.url}/healthz`)).headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('tells that the store is gone, and that the process is alive', async () => {
    const broken = await startTestSystem();
    await broken.db.close();
    const ready = await fetch(`${broken.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ code: 'STORE_UNAVAILABLE', fault: 'transient' });
    expect((await fetch(`${broken.url}/healthz`)).status).toBe(200);
    await broken.close();
  });

  it('hides what nobody foresaw', async () => {
    const failing = await startTestSystem();
    Object.assign(failing.deps.queries, { stats: () => Promise.reject(new Error('secret detail')) });
    const response = await fetch(`${failing.url}/v1/stats`);
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).toContain('INTERNAL');
    expect(text).not.toContain('secret');
    await failing.close();
  });
});
