import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import { encodeLogRecord } from '../../contract/log.ts';
import type { AttemptDone } from '../../contract/worker.ts';
import { limits } from '../../domain/limits.ts';
import { appTransport } from './app-transport.ts';
import { ask } from './ask.suite.ts';
import { startTestSystem, type TestSystem, TestWorker } from './test-system.suite.ts';

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

describe('an end that a worker tells', () => {
  it('has a reason of attempts, not one of jobs that never started', async () => {
    const { id: jobId } = await client.call('submitJob', { body: { command: ['true'], expireInMs: 60_000 } });
    await worker.work([], 1);
    const end = { jobId, attempt: 1, exitCode: null, signal: null, message: null, vm: null, usage: null };
    const body = { generation: worker.generation, token: system.ids(), repeat: false, want: 0, waitMs: 0 };
    const params = { id: worker.id };
    for (const reason of ['expired', 'parent_failed', 'parent_cancelled', 'skipped']) {
      const done = [{ ...end, reason }] as AttemptDone[];
      await expect(client.call('work', { params, body: { ...body, done } })).rejects.toMatchObject({
        code: 'VALIDATION_FAILED',
        details: { field: 'done.0.reason' },
      });
    }
    expect(await client.call('getJob', { params: { id: jobId } })).toMatchObject({ state: 'claimed' });
    await worker.work([{ ...end, reason: null }], 0);
    await client.call('cancelJob', { params: { id: jobId } });
  });

  it(`makes its job wait at most ${limits.retryInMsMax} ms longer`, async () => {
    const end = { jobId: system.ids(), attempt: 1, exitCode: null, signal: null, message: null, vm: null };
    const body = { generation: worker.generation, token: system.ids(), repeat: false, want: 0, waitMs: 0 };
    const done = {
      ...end,
      reason: 'vm_boot_failed' as const,
      usage: null,
      retryInMs: limits.retryInMsMax + 1,
    };
    const params = { id: worker.id };
    await expect(client.call('work', { params, body: { ...body, done: [done] } })).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'done.0.retryInMs' },
    });
  });
});

describe('the log that a worker tells', () => {
  it('ends at a number that an answer can have', async () => {
    await client.call('submitJob', { body: { command: ['true'] } });
    const job = await worker.start();
    const query = `workerId=${worker.id}&generation=${worker.generation}&offset=${limits.integerMax}&gap=true`;
    const path = `/v1/attempts/${job.jobId}/1/logs?${query}`;
    const headers = { 'content-type': 'application/octet-stream' };
    const answer = await ask(system.url, 'POST', path, {
      headers,
      body: encodeLogRecord({ stream: 'stdout', atMs: 1, data: Buffer.from('x') }),
    });
    expect(answer).toMatchObject({
      status: 400,
      problem: { code: 'VALIDATION_FAILED', details: { field: 'offset' } },
    });
    await worker.end(job, 0);
  });
});
