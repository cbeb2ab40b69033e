import { Check } from 'typebox/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import type { CallArgs } from '../../client/wire.ts';
import type { SetQueue } from '../../contract/queue.ts';
import { type JsonRouteName, type ReplyOf, routes } from '../../contract/routes.ts';
import type { TSchema } from '../../contract/typebox.ts';
import { limits } from '../../domain/limits.ts';
import { appTransport } from './app-transport.ts';
import { ask } from './ask.suite.ts';
import { startTestSystem, type TestSystem, TestWorker, textRecord } from './test-system.suite.ts';

let system: TestSystem;
let client: BlixardClient;
let worker: TestWorker;
beforeAll(async () => {
  system = await startTestSystem();
  client = new BlixardClient({ transport: appTransport(system.app) });
  worker = new TestWorker(client, system.ids);
  await worker.register();
});
afterAll(() => system.close());

/** Calls, and checks that the reply is as the contract says, with nothing more. */
async function call<N extends JsonRouteName>(route: N, ...args: CallArgs<N>): Promise<ReplyOf<N>> {
  const reply = await client.call(route, ...args);
  expect(Check(routes[route].reply as TSchema, reply), `${route}: ${JSON.stringify(reply)}`).toBe(true);
  return reply;
}

const put = (body: unknown) =>
  ask(system.url, 'PUT', '/v1/queues/q', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('queues over HTTP', () => {
  const params = { name: 'default' };

  it('are set, paused, resumed, listed and described', async () => {
    await call('setQueue', { params: { name: 'a' }, body: { retention: { completedMs: null } } });
    expect(await call('pauseQueue', { params })).toMatchObject({ name: 'default', paused: true });
    const { id } = await call('submitJob', { body: { command: ['true'] } });
    expect((await call('getJob', { params: { id } })).waiting).toContain('paused');
    expect((await call('listQueues')).queues.map(({ name }) => name)).toEqual(['a', 'default']);
    const { nextCursor } = await call('listQueues', { query: { limit: 1 } });
    const rest = await call('listQueues', { query: { cursor: nextCursor ?? '' } });
    expect(rest.queues.map(({ name }) => name)).toEqual(['default']);
    expect(await call('resumeQueue', { params })).toMatchObject({ paused: false, counts: { pending: 1 } });
    expect(await call('getQueueStats', { params })).toMatchObject({ held: 0, counts: { pending: 1 } });
    await worker.end(await worker.start(), 1);
    expect((await call('getQueueStats', { params })).lastFailedAtMs).not.toBeNull();
  });

  it('redrive and purge their failed jobs, logs included', async () => {
    expect(await call('redriveQueue', { params, body: {} })).toEqual({ redriven: 1, more: false });
    const claimed = await worker.start();
    await worker.write(claimed, 0, [textRecord('out')]);
    await worker.end(claimed, 1);
    expect((await client.readLogs(claimed.jobId)).records).toHaveLength(1);
    expect(await call('purgeQueue', { params, body: { states: ['failed'] } })).toEqual({
      purged: 1,
      more: false,
    });
    await expect(client.readLogs(claimed.jobId)).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
    expect((await system.deps.logs.size(claimed.jobId, 1)).endOffset).toBe(0);
  });

  it('forget one job that has ended, and no other', async () => {
    const { id } = await call('submitJob', { body: { command: ['true'], concurrencyKey: 'k' } });
    await expect(call('removeJob', { params: { id } })).rejects.toMatchObject({ code: 'JOB_NOT_ENDED' });
    await call('cancelJob', { params: { id }, body: {} });
    expect(await call('removeJob', { params: { id } })).toEqual({ id });
    await expect(call('getJob', { params: { id } })).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  });

  it.each([
    ['a limit of none at all', { concurrencyMax: 0 }, 'concurrencyMax'],
    ['a limit past the limit', { concurrencyMax: limits.concurrencyMax + 1 }, 'concurrencyMax'],
    ['a limit that is no number', { concurrencyMaxPerKey: '2' }, 'concurrencyMaxPerKey'],
    [
      'a retention past the limit',
      { retention: { failedMs: limits.retentionMsMax + 1 } },
      'retention.failedMs',
    ],
    ['a state that has no retention', { retention: { runningMs: 1 } }, 'retention.runningMs'],
    ['the pause, which is no setting', { paused: true }, 'paused'],
  ])('are refused %s', async (_, body, field) => {
    const { status, problem } = await put(body);
    expect(status).toBe(400);
    expect(problem).toMatchObject({ code: 'VALIDATION_FAILED', details: { field } });
  });

  it('are refused a name that is none, and found only where they are', async () => {
    expect((await ask(system.url, 'GET', '/v1/queues/No%20Name')).status).toBe(400);
    const { status, problem } = await ask(system.url, 'GET', '/v1/queues/nowhere');
    expect({ status, code: problem.code }).toEqual({ status: 404, code: 'QUEUE_NOT_FOUND' });
    for (const verb of ['redrive', 'purge']) {
      const answer = await ask(system.url, 'POST', `/v1/queues/nowhere/${verb}`);
      expect(answer).toMatchObject({
        status: 404,
        problem: { code: 'QUEUE_NOT_FOUND', details: { queue: 'nowhere' } },
      });
    }
  });

  it('are known to redrive and purge once they had a job, or settings: both may be repeated', async () => {
    const once = { params: { name: 'once' } };
    const { id } = await call('submitJob', { body: { command: ['true'], queue: 'once' } });
    await call('cancelJob', { params: { id } });
    expect(await call('redriveQueue', once)).toEqual({ redriven: 0, more: false });
    expect(await call('purgeQueue', once)).toEqual({ purged: 1, more: false });
    expect(await call('purgeQueue', once)).toEqual({ purged: 0, more: false });
    const params = { name: 'only-set' };
    await call('pauseQueue', { params });
    expect(await call('purgeQueue', { params })).toEqual({ purged: 0, more: false });
  });

  it('take a key of any text up to the limit', async () => {
    const longest = '\u{1f511}'.repeat(limits.concurrencyKeyLength);
    await expect(
      client.call('submitJob', { body: { command: ['true'], concurrencyKey: `${longest}x` } }),
    ).rejects.toMatchObject({ code: 'VALIDATION_FAILED', details: { field: 'concurrencyKey' } });
    const job = await call('submitJob', { body: { command: ['true'], concurrencyKey: longest } });
    expect(job.spec.concurrencyKey).toBe(longest);
  });

  it.each([
    ['fairBy', { fairBy: 'mood' }],
    ['weights.a', { weights: { a: limits.weightMax + 1 } }],
    ['weights.a', { weights: { a: 0 } }],
    [
      'weights',
      { weights: Object.fromEntries(Array.from({ length: limits.weightsMax + 1 }, (_, n) => [`t${n}`, 2])) },
    ],
    ['rateLimit.max', { rateLimit: { max: limits.rateMax + 1, perMs: 1 } }],
    ['rateLimit.perMs', { rateLimit: { max: 1, perMs: limits.ratePerMsMax + 1 } }],
    ['rateLimitPerKey.max', { rateLimitPerKey: { max: 0, perMs: 1 } }],
    ['keyPolicy', { keyPolicy: 'shout' }],
  ])('refuses %s past its edge', async (field, body) => {
    const refused = call('setQueue', { params: { name: 'q' }, body: body as SetQueue });
    await expect(refused).rejects.toMatchObject({ code: 'VALIDATION_FAILED', details: { field } });
  });

  it('refuses turns of tenants beside a rate per key, by value and what is allowed', async () => {
    const body = { fairBy: 'tenant', rateLimitPerKey: { max: 1, perMs: 1_000 } };
    expect((await put(body)).problem).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'fairBy', value: '"tenant"', allowed: 'none or key beside rateLimitPerKey' },
    });
  });

  it('takes rates and weights up to their edge', async () => {
    const rateLimit = { max: limits.rateMax, perMs: limits.ratePerMsMax };
    const weights = { ['k'.repeat(limits.concurrencyKeyLength)]: limits.weightMax };
    const body = { rateLimit, weights, fairBy: 'key', keyPolicy: 'cancel_newest' } as const;
    expect(await call('setQueue', { params: { name: 'q' }, body })).toMatchObject(body);
  });
});
