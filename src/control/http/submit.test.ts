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

describe('POST /v1/jobs/batch', () => {
  const send = (body: string, contentType = 'application/x-ndjson') =>
    ask(system.url, 'POST', '/v1/jobs/batch', { headers: { 'content-type': contentType }, body });
  const line = '{"command":["true"]}\n';

  it('answers the jobs in their order', async () => {
    const body = Array.from({ length: 20 }, (_, n) => ({ command: ['echo', String(n)] }));
    const { jobs } = await client.call('submitJobs', { body });
    expect(jobs.map(({ spec }) => spec.command[1])).toEqual(body.map(({ command }) => command[1]));
    expect(await client.call('getJob', { params: { id: jobs[3]?.id ?? '' } })).toMatchObject({
      id: jobs[3]?.id,
      state: 'pending',
    });
  });

  it.each([
    ['no JSON', `${line}{"command":`, 2, 'BODY_INVALID_JSON'],
    ['an empty line', `${line}\n${line}`, 2, 'BODY_INVALID_JSON'],
    ['an unknown field', `${line}${line}{"command":["true"],"timeoutMS":1}\n`, 3, 'VALIDATION_FAILED'],
    ['a value past its limit', `{"command":["true"],"priority":101}\n${line}`, 1, 'VALIDATION_FAILED'],
    ['a job that is a list', `${line}[]`, 2, 'VALIDATION_FAILED'],
    ['a name no object may have', `{"command":["true"],"__proto__":{}}`, 1, 'VALIDATION_FAILED'],
  ])('names the line with %s', async (_, body, number, code) => {
    const { status, problem } = await send(body);
    expect(status).toBe(422);
    expect(problem).toMatchObject({ code: 'BATCH_LINE_REFUSED', details: { line: number, code } });
    expect(problem.title).toMatch(new RegExp(`^Line ${number}: .*Nothing of the batch was stored.$`));
  });

  it.each([
    ['first', `\n${line}`, 1],
    ['in between', `${line} \r\n${line}`, 2],
    ['last', `${line}\n`, 2],
    ['alone', '\n', 1],
  ])('refuses a blank line that stands %s, and says so', async (_, body, number) => {
    expect((await send(body)).problem.title).toBe(
      `Line ${number}: it is blank; each line must be a JSON object. Nothing of the batch was stored.`,
    );
  });

  it('refuses none, more than a thousand, and other content', async () => {
    expect((await send('')).problem).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'body', allowed: 'a list of 1 to 1000 entries' },
    });
    expect((await send(line.repeat(1_001))).problem).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'body', value: '1001 entries' },
    });
    // Not one of too many is read: a body has room for millions.
    expect((await send('no JSON\n'.repeat(100_000))).problem).toMatchObject({
      code: 'VALIDATION_FAILED',
      title: 'body: is 100000 entries; allowed: a list of 1 to 1000 entries',
    });
    for (const type of ['application/json', 'application/x-ndjson; charset=latin1'])
      expect((await send(line, type)).problem.code).toBe('MEDIA_TYPE_UNSUPPORTED');
  });
});

describe('GET /v1/jobs', () => {
  it('searches by labels given once or often, tenant, text and time', async () => {
    const labels = { team: 'a&b=c', kind: 'ü' };
    const body = { command: ['echo', 'needle'], labels, tenant: 'acme' };
    const { id, createdAtMs } = await client.call('submitJob', { body });
    const found = async (query: object): Promise<string[]> =>
      (await client.call('listJobs', { query })).jobs.map((job) => job.id);
    expect(await found({ label: ['team=a&b=c'] })).toEqual([id]);
    expect(await found({ label: ['team=a&b=c', 'kind=ü'], tenant: 'acme' })).toEqual([id]);
    expect(await found({ label: ['team=a&b=c', 'kind=x'] })).toEqual([]);
    const time = { createdAfterMs: createdAtMs - 1, createdBeforeMs: createdAtMs + 1 };
    expect(await found({ text: 'O NEED', ...time })).toEqual([id]);
  });

  it.each([
    ['label=team', 'label', 'name=value'],
    [`${'label=a=b&'.repeat(9)}`, 'label', 'a list of 0 to 8 entries'],
    ['tenant=a%20b', 'tenant', 'a name of letters'],
    ['text=', 'text', 'not empty'],
    ['createdAfterMs=yesterday', 'createdAfterMs', 'an integer'],
  ])('refuses %s', async (query, field, allowed) => {
    const { problem } = await ask(system.url, 'GET', `/v1/jobs?${query}`);
    expect(problem).toMatchObject({ code: 'VALIDATION_FAILED', details: { field } });
    expect(problem.title).toContain(allowed);
  });
});
