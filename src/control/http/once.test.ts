import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import { httpTransport } from '../../client/http-transport.ts';
import type { Transport } from '../../client/transport.ts';
import { type Route, type RouteName, routes } from '../../contract/routes.ts';
import { BlixardError } from '../../domain/errors.ts';
import { LazySignal } from '../../platform/lazy-signal.ts';
import { ask } from './ask.suite.ts';
import { startTestSystem, type TestSystem } from './test-system.suite.ts';

let system: TestSystem;
let client: BlixardClient;

beforeAll(async () => {
  system = await startTestSystem();
  client = new BlixardClient({ transport: httpTransport({ url: system.url }) });
});
afterAll(async () => {
  await client.close();
  await system.close();
});

const holding = (key: string) => ({ command: ['true'], unique: { key } });
const existing = (key: string) => ({ command: ['true'], unique: { key, policy: 'existing' as const } });

/** Loses the first answer, and does something before the caller can try again. */
function losing(meanwhile: () => Promise<unknown>): Transport {
  const inner = httpTransport({ url: system.url });
  let isLost = false;
  return {
    url: system.url,
    send: async (request) => {
      const response = await inner.send(request);
      if (isLost) return response;
      isLost = true;
      response.body.resume();
      await meanwhile();
      throw new BlixardError('SERVER_UNREACHABLE', { url: system.url, problem: 'reset' });
    },
    close: () => inner.close(),
  };
}

describe('what a unique policy answered with another job', () => {
  it('is the answer again for the same Idempotency-Key, and a conflict for another body', async () => {
    const post = async (body: object): Promise<{ status: number; answer: { id: string; code?: string } }> => {
      const response = await fetch(`${system.url}/v1/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'order-7' },
        body: JSON.stringify(body),
      });
      return { status: response.status, answer: (await response.json()) as { id: string } };
    };
    const { id } = await client.call('submitJob', { body: holding('a') });
    expect(await post(existing('a'))).toMatchObject({ status: 201, answer: { id } });
    const other = { ...existing('a'), command: ['false'] };
    expect(await post(other)).toMatchObject({ status: 409, answer: { code: 'IDEMPOTENCY_CONFLICT' } });
    await client.call('cancelJob', { params: { id } });
    expect(await post(existing('a'))).toMatchObject({ status: 201, answer: { id, state: 'cancelled' } });
    expect(await post(other)).toMatchObject({ status: 409, answer: { code: 'IDEMPOTENCY_CONFLICT' } });
  });

  it('is what the client gets whose answer was lost, although that job has ended meanwhile', async () => {
    const { id } = await client.call('submitJob', { body: holding('b') });
    const repeating = new BlixardClient({
      transport: losing(() => client.call('cancelJob', { params: { id } })),
    });
    expect(await repeating.call('submitJob', { body: existing('b') })).toMatchObject({
      id,
      state: 'cancelled',
    });
    await repeating.close();
    const { jobs } = await client.call('listJobs', { query: { state: 'pending' } });
    expect(jobs).toEqual([]);
  });
});

describe('the header Idempotency-Key on a call that does not keep it', () => {
  const changing = (Object.keys(routes) as RouteName[]).filter((name) => {
    const route: Route = routes[name];
    return route.method !== 'GET' && route.headers?.properties['idempotency-key'] === undefined;
  });

  it.each(changing)('is refused by %s', async (name) => {
    const route: Route = routes[name];
    const isBytes = route.body === 'bytes';
    const type = isBytes
      ? 'application/octet-stream'
      : route.bodyIsLines
        ? 'application/x-ndjson'
        : 'application/json';
    const { status, problem } = await ask(system.url, route.method, route.path.replaceAll(/\{\w+\}/g, '1'), {
      headers: { 'content-type': type, 'idempotency-key': 'k' },
      body: isBytes ? 'x' : route.bodyIsLines ? '{"command":["true"]}\n' : '{}',
    });
    expect(status).toBe(400);
    expect(problem).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'idempotency-key', value: '"k"', allowed: expect.stringContaining('POST /v1/jobs') },
    });
  });

  it('is refused by a batch with what to do instead, and stores nothing', async () => {
    const { problem } = await ask(system.url, 'POST', '/v1/jobs/batch', {
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': 'k' },
      body: '{"command":["true"],"queue":"refused"}\n',
    });
    expect(problem.title).toContain('POST /v1/jobs/batch does not take this header');
    expect(problem.title).toContain('with an id on each line the call is safe to repeat');
    expect((await client.call('listJobs', { query: { queue: 'refused' } })).jobs).toEqual([]);
  });

  it('is refused on a persistent connection, too', async () => {
    const input = { headers: { 'idempotency-key': 'k' }, body: [{ command: ['true'] }] };
    const { status, body } = await system.app.calls.answer('submitJobs', input, new LazySignal());
    expect(status).toBe(400);
    expect(body).toMatchObject({ title: expect.stringContaining('does not take this header') });
  });

  it('means nothing to a call that only reads', async () => {
    const response = await fetch(`${system.url}/v1/jobs`, { headers: { 'idempotency-key': 'k' } });
    expect(response.status).toBe(200);
  });
});

it('the same id and body is the same job where JSON has -0, alone and in a batch', async () => {
  const post = async (path: string, type: string, zero: string): Promise<unknown[]> => {
    const body = `{"id":"${client.newJobId()}","command":["true"],"priority":${zero},"backoff":{"jitter": ${zero}}}`;
    const answers = await Promise.all(
      [1, 2].map(() =>
        fetch(`${system.url}${path}`, { method: 'POST', headers: { 'content-type': type }, body }),
      ),
    );
    return answers.map(({ status }) => status);
  };
  for (const zero of ['-0', '-0.0', '-1e-999']) {
    expect(await post('/v1/jobs', 'application/json', zero)).toEqual([201, 201]);
    expect(await post('/v1/jobs/batch', 'application/x-ndjson', zero)).toEqual([201, 201]);
  }
});
