import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { cursorOf } from '../cursor.ts';
import { ask, raw, submit } from './ask.suite.ts';
import { startTestSystem, type TestSystem } from './test-system.suite.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
});
afterAll(() => system.close());

const command = ['true'];
const host = 'host: 127.0.0.1\r\n';

describe('a bad path or query is refused by name', () => {
  const id = '018bcfe5-6800-7000-8000-000000000001';
  const cases: [string, string, Record<string, unknown>][] = [
    ['GET', '/v1/jobs?limit=0', { field: 'limit', value: '0', allowed: 'an integer from 1 to 500' }],
    ['GET', '/v1/jobs?limit=x', { field: 'limit', value: '"x"' }],
    ['GET', '/v1/jobs?limit=1&limit=2', { field: 'limit', value: '["1","2"]' }],
    ['GET', '/v1/jobs?limit=1e1', { field: 'limit', value: '"1e1"' }],
    [
      'GET',
      '/v1/jobs?state=done',
      { field: 'state', value: '"done"', allowed: expect.stringContaining('one of: blocked') },
    ],
    ['GET', '/v1/jobs?state=failed,done', { field: 'state', value: '"done"' }],
    ['GET', '/v1/jobs?state=failed&state=', { field: 'state', value: '""' }],
    [
      'GET',
      '/v1/jobs?stat=failed',
      { field: 'stat', problem: expect.stringContaining('did you mean state?') },
    ],
    [
      'GET',
      '/v1/jobs?cursor=nonsense',
      { field: 'cursor', value: '"nonsense"', allowed: 'the nextCursor of the page before, of this list' },
    ],
    ...['groups?', 'queues?', 'schedules?', 'events?follow=false&'].map(
      (list): [string, string, Record<string, unknown>] => [
        'GET',
        `/v1/${list}cursor=${cursorOf('jobs', 1)}`,
        { field: 'cursor', allowed: 'the nextCursor of the page before, of this list' },
      ],
    ),
    ['GET', `/v1/jobs?cursor=${cursorOf('groups', 'g')}`, { field: 'cursor' }],
    ['GET', '/v1/jobs/NOT-AN-ID', { field: 'id', value: '"NOT-AN-ID"' }],
    ['GET', `/v1/jobs/${'f'.repeat(3_000)}`, { field: 'id' }],
    ['GET', '/v1/jobs/..%2f..%2fetc%2fpasswd', { field: 'id' }],
    ['GET', '/v1/jobs/%00000', { field: 'id' }],
    ['GET', `/v1/jobs/${id}?waitMs=60001`, { field: 'waitMs', allowed: 'an integer from 0 to 60000' }],
    ['GET', `/v1/jobs/${id}/logs?follow=maybe`, { field: 'follow', allowed: 'true or false' }],
    ['GET', '/v1/workers/1', { field: 'id' }],
    ['GET', '/healthz?verbose=1', { field: 'verbose' }],
    [
      'POST',
      `/v1/attempts/${id}/0/logs?workerId=${id}&generation=1&offset=0`,
      { field: 'attempt', value: '0' },
    ],
    [
      'POST',
      `/v1/attempts/${id}/1/logs?workerId=${id}&generation=1&offset=-1`,
      { field: 'offset', value: '-1' },
    ],
    [
      'POST',
      `/v1/attempts/${id}/1/logs?workerId=${id}&generation=1`,
      { field: 'offset', problem: expect.stringContaining('is required') },
    ],
  ];
  it.each(cases)('%s %s', async (method, path, details) => {
    expect(await ask(system.url, method, path)).toMatchObject({
      status: 400,
      problem: { code: 'VALIDATION_FAILED', details },
    });
  });

  it('a last-event-id that is none', async () => {
    const created = await fetch(`${system.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ command, queue: 'elsewhere', executor: 'none' }),
    });
    const job = (await created.json()) as { id: string; code?: string };
    for (const lastEventId of ['x', '1', '1:-2', '1:2:3', '0:5', '0x1:1', `1:${'9'.repeat(30)}`]) {
      const headers = { 'last-event-id': lastEventId };
      const answer = await ask(system.url, 'GET', `/v1/jobs/${job.id ?? id}/logs?follow=true`, { headers });
      expect(answer.problem.code).toBe(job.id === undefined ? 'JOB_NOT_FOUND' : 'VALIDATION_FAILED');
    }
  });
});

describe('a bad body is refused', () => {
  it.each<[string, string | Buffer, string]>([
    ['broken JSON', '{"command":', 'BODY_INVALID_JSON'],
    ['two values', '{} {}', 'BODY_INVALID_JSON'],
    ['invalid UTF-8', Buffer.from('{"command":["\xff"]}', 'latin1'), 'BODY_INVALID_JSON'],
    ['a cut UTF-8 character', Buffer.from('{"command":["\xc3"]}', 'latin1'), 'BODY_INVALID_JSON'],
    ['a NUL byte', '{"command":["true"]\0}', 'BODY_INVALID_JSON'],
    ['a deep list', `{"command":${'['.repeat(33)}${']'.repeat(33)}}`, 'BODY_INVALID_JSON'],
    ['a very deep list', '['.repeat(1_000_000), 'BODY_INVALID_JSON'],
  ])('%s', async (_, body, code) => {
    expect(await submit(system.url, body)).toMatchObject({ status: 400, problem: { code } });
  });

  it.each([
    ['{"command":["true"]', 19],
    ['{"command" ["true"]}', 11],
    ['{"env":{"__proto__":1}', 22],
  ])('%s, told with the place where it is wrong', async (body, at) => {
    const problem = expect.stringContaining(`in JSON at position ${at}`) as string;
    expect(await submit(system.url, body)).toMatchObject({
      status: 400,
      problem: { code: 'BODY_INVALID_JSON', details: { problem } },
    });
  });

  it.each([
    ['{"command":["true"],"__proto__":{"admin":true}}', '__proto__', '{"admin":true}'],
    ['{"command":["true"],"env":{"\\u005f_proto__":"x"}}', 'env.__proto__', '"x"'],
    ['[{"constructor":{}},{"constructor":{"prototype":{}}}]', '1.constructor', '{"prototype":{}}'],
  ])('%s, by the name that no object may have', async (body, field, value) => {
    expect(await submit(system.url, body)).toMatchObject({
      status: 400,
      problem: {
        code: 'VALIDATION_FAILED',
        details: { field, value, allowed: 'any name but __proto__, and constructor with a prototype' },
      },
    });
  });

  it('deep text is not deep JSON', async () => {
    const { problem } = await submit(system.url, {
      command: ['['.repeat(100), '\\"[['.repeat(50)],
      bogus: 1,
    });
    expect(problem).toMatchObject({ code: 'VALIDATION_FAILED', details: { field: 'bogus' } });
  });

  it('of 5 MiB, naming the limit, also when its length is not told', async () => {
    const expected = {
      status: 413,
      problem: { code: 'BODY_TOO_LARGE', details: { maxBytes: limits.bodyBytes } },
    };
    const big = Buffer.alloc(5 * 1024 * 1024, 0x20);
    expect(await submit(system.url, big)).toMatchObject(expected);
    const chunked = `${(5 * 1024 * 1024).toString(16)}\r\n`;
    const answer = await raw(
      system.url,
      Buffer.concat([
        Buffer.from(
          `POST /v1/jobs HTTP/1.1\r\n${host}content-type: application/json\r\n` +
            `transfer-encoding: chunked\r\nconnection: close\r\n\r\n${chunked}`,
        ),
        big,
        Buffer.from('\r\n0\r\n\r\n'),
      ]),
    );
    expect(answer).toContain('HTTP/1.1 413');
    expect(answer).toContain('BODY_TOO_LARGE');
  });

  it('of another type, or of none', async () => {
    for (const contentType of [
      'text/plain',
      'application/octet-stream',
      'application/x-www-form-urlencoded',
    ]) {
      const answer = await ask(system.url, 'POST', '/v1/jobs', {
        headers: { 'content-type': contentType },
        body: '{}',
      });
      expect(answer).toMatchObject({
        status: 415,
        problem: { code: 'MEDIA_TYPE_UNSUPPORTED', details: { contentType, allowed: 'application/json' } },
      });
    }
    for (const charset of ['latin1', '"iso-8859-1"', 'utf-16', 'utf-8; charset=ascii', '']) {
      const answer = await submit(system.url, '{}', `application/json; charset=${charset}`);
      expect(answer.problem.code, charset).toBe('MEDIA_TYPE_UNSUPPORTED');
      expect(answer.problem.details, charset).toMatchObject({ allowed: 'application/json in UTF-8' });
    }
    for (const charset of ['utf-8', '"UTF-8"', 'utf8 ; x=y']) {
      const answer = await submit(system.url, '{}', `application/json; charset=${charset}`);
      expect(answer.problem.code, charset).toBe('VALIDATION_FAILED');
    }
    for (const [path, type] of [
      ['/v1/jobs', 'application/json'],
      ['/v1/jobs/batch', 'application/x-ndjson'],
      [`/v1/attempts/${randomUUID()}/1/logs`, 'application/octet-stream'],
    ] as const) {
      const headers = { 'content-type': type, 'content-encoding': 'gzip' };
      const answer = await ask(system.url, 'POST', path, { headers, body: gzipSync('{"command":["true"]}') });
      expect(answer.problem, type).toMatchObject({
        status: 415,
        details: { allowed: `${type} without one` },
      });
    }
    const untyped = await raw(
      system.url,
      `POST /v1/jobs HTTP/1.1\r\n${host}content-length: 2\r\nconnection: close\r\n\r\n{}`,
    );
    expect(untyped).toContain('HTTP/1.1 415');
  });

  it('where none is taken', async () => {
    const path = '/v1/workers/018bcfe5-6800-7000-8000-000000000001/drain';
    const answer = await ask(system.url, 'POST', path, {
      headers: { 'content-type': 'application/json' },
      body: '{"now":true}',
    });
    expect(answer).toMatchObject({
      status: 400,
      problem: { code: 'VALIDATION_FAILED', details: { field: 'now' } },
    });
    expect((await ask(system.url, 'POST', path)).problem.code).toBe('WORKER_NOT_FOUND');
  });
});

it('a reason of a cancel that is no storable text is refused by its name', async () => {
  const id = '018bcfe5-6800-7000-8000-000000000001';
  for (const reason of ['a\\u0000b', '\\ud800']) {
    const answer = await ask(system.url, 'POST', `/v1/jobs/${id}/cancel`, {
      headers: { 'content-type': 'application/json' },
      body: `{"reason":"${reason}"}`,
    });
    expect(answer).toMatchObject({
      status: 400,
      problem: { code: 'VALIDATION_FAILED', details: { field: 'reason' } },
    });
  }
});

describe('what no route takes', () => {
  it('an unknown path', async () => {
    for (const path of ['/', '/v1', '/v2/jobs', '/v1/jobs/0000/nothing', '/.env', '//v1/jobs']) {
      expect(await ask(system.url, 'GET', path), path).toMatchObject({
        status: 404,
        problem: { code: 'ROUTE_NOT_FOUND' },
      });
    }
  });

  it('a known path with another method', async () => {
    const answer = await ask(system.url, 'PUT', '/v1/jobs');
    expect(answer).toMatchObject({
      status: 405,
      problem: { code: 'METHOD_NOT_ALLOWED', details: { allowed: 'POST, GET' } },
    });
    expect(answer.headers.get('allow')).toBe('POST, GET');
    expect((await ask(system.url, 'DELETE', '/healthz')).status).toBe(405);
    expect((await fetch(`${system.url}/healthz`, { method: 'HEAD' })).status).toBe(200);
  });

  it('a path that is no text', async () => {
    expect(await ask(system.url, 'GET', '/v1/jobs/%FF%FE')).toMatchObject({
      status: 400,
      problem: { code: 'HTTP_INVALID' },
    });
    expect(await ask(system.url, 'GET', '/v1/jobs/%')).toMatchObject({
      status: 400,
      problem: { code: 'HTTP_INVALID' },
    });
  });
});
