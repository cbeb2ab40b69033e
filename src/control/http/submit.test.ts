import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import { httpTransport } from '../../client/http-transport.ts';
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

describe('the header Idempotency-Key', () => {
  const submit = (key: string, command: string[]) =>
    client.call('submitJob', { body: { command }, headers: { 'idempotency-key': key } });

  it('gives the same job for the same body, and refuses another', async () => {
    const first = await submit('order-7', ['true']);
    expect(await submit('order-7', ['true'])).toEqual(first);
    await expect(submit('order-7', ['false'])).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
      details: { key: 'order-7', jobId: first.id },
    });
  });

  it('is refused when it is no key', async () => {
    for (const key of ['two words', 'x'.repeat(256)]) {
      const { status, problem } = await ask(system.url, 'POST', '/v1/jobs', {
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify({ command: ['true'] }),
      });
      expect(status).toBe(400);
      expect(problem).toMatchObject({ code: 'VALIDATION_FAILED', details: { field: 'idempotency-key' } });
      expect(problem.title).toContain('visible ASCII characters, at most 255');
    }
  });
});

describe('a unique key over HTTP', () => {
  it('answers 409 and names the job that is there', async () => {
    const body = { command: ['true'], unique: { key: 'one' } };
    const { id } = await client.call('submitJob', { body });
    await expect(client.call('submitJob', { body })).rejects.toMatchObject({
      code: 'UNIQUE_CONFLICT',
      details: { jobId: id, queue: 'default', key: 'one' },
    });
  });
});
