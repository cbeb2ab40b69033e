import { afterEach, beforeEach, expect, it } from 'vitest';
import { httpTransport } from '../../client/http-transport.ts';
import { BlixardClient } from '../../client/index.ts';
import type { Transport } from '../../client/transport.ts';
import { BlixardError } from '../../domain/errors.ts';
import { isSigned, Receiver } from '../webhooks/receiver.suite.ts';
import { startTestSystem, type TestSystem, TestWorker } from './test-system.suite.ts';

let system: TestSystem;
let client: BlixardClient;
/** Loses the answer to the first of its calls after each `lose`. */
let unlucky: BlixardClient;
let lost = 0;
let isLosing = false;
const lose = (): BlixardClient => {
  isLosing = true;
  return unlucky;
};

beforeEach(async () => {
  system = await startTestSystem();
  client = new BlixardClient({ transport: httpTransport({ url: system.url }) });
  unlucky = new BlixardClient({ transport: losing(httpTransport({ url: system.url })) });
  lost = 0;
});
afterEach(async () => {
  await client.close();
  await unlucky.close();
  await system.close();
});

function losing(transport: Transport): Transport {
  return {
    url: transport.url,
    send: async (request) => {
      const answer = await transport.send(request);
      if (!isLosing) return answer;
      isLosing = false;
      lost++;
      answer.body.resume();
      throw new BlixardError('SERVER_UNREACHABLE', { url: transport.url, problem: 'reset' });
    },
    close: () => transport.close(),
  };
}

const kindsOf = async (id: string): Promise<string[]> =>
  (await client.call('listJobEvents', { params: { id } })).events.map(({ kind }) => kind);

it('a retry, and a redrive of named jobs, whose answer is lost are done once and answered well', async () => {
  const worker = new TestWorker(client, system.ids);
  await worker.register();
  const { id } = await client.call('submitJob', { body: { command: ['false'] } });
  const params = { id };
  await worker.end(await worker.start(), 3);
  const retried = await lose().call('retryJob', { params, body: { attempt: 1 } });
  expect(retried).toMatchObject({ id, state: 'pending', attempt: 1 });
  await worker.end(await worker.start(), 3);
  const redriven = await lose().call('redriveQueue', { params: { name: 'default' }, body: { ids: [id] } });
  expect(redriven).toEqual({ redriven: 1, more: false });
  expect(lost).toBe(2);
  expect((await kindsOf(id)).filter((kind) => kind === 'job.pending')).toHaveLength(2);
});

it('a trigger whose answer is lost leads to one job', async () => {
  const params = { name: 'nightly' };
  await client.call('setSchedule', { params, body: { cron: '@daily', job: { command: ['true'] } } });
  const { id } = await lose().call('triggerSchedule', { params });
  expect(lost).toBe(1);
  expect((await client.call('listJobs')).jobs.map((job) => job.id)).toEqual([id]);
  expect(await client.call('getSchedule', { params })).toMatchObject({ fired: 1, runs: [{ jobId: id }] });
});

it('a redelivery whose answer is lost is made again, under the same id', async () => {
  const receiver = await Receiver.start();
  const params = { name: 'ci' };
  await client.call('putWebhook', { params, body: { url: receiver.url, paused: true } });
  const test = await client.call('testWebhook', { params });
  const again = await lose().call('redeliver', { params: { ...params, id: test.id } });
  expect(again).toMatchObject({ id: test.id, state: 'delivered', tries: 3 });
  expect(lost).toBe(1);
  expect(receiver.received.map(({ id }) => id)).toEqual([test.id, test.id, test.id]);
  await receiver.close();
});

it('the secret of a webhook is told although the answer of its making was lost, and never after that', async () => {
  const receiver = await Receiver.start();
  const params = { name: 'ci' };
  const { secret } = await lose().call('putWebhook', { params, body: { url: receiver.url } });
  const changed = await lose().call('putWebhook', { params, body: { url: receiver.url, kinds: ['job.'] } });
  expect(changed.secret).toBeNull();
  const secretIfNew = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  const other = await client.call('putWebhook', { params, body: { url: receiver.url, secretIfNew } });
  expect(other.secret).toBeNull();
  expect(lost).toBe(2);
  await client.call('testWebhook', { params });
  expect(receiver.received.map((message) => isSigned(secret ?? '', message))).toEqual([true]);
  await receiver.close();
});
