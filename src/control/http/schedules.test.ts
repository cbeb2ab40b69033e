import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import { httpTransport } from '../../client/http-transport.ts';
import { routes } from '../../contract/routes.ts';
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

const job = { command: ['backup'] };

describe('schedules over HTTP', () => {
  it('are set, read, listed, triggered, paused, resumed and removed', async () => {
    const params = { name: 'nightly' };
    const body = { cron: '0 3 * * *', timeZone: 'Europe/Berlin', job, overlap: 'skip' } as const;
    const set = await client.call('setSchedule', { params, body });
    expect(set).toMatchObject({ name: 'nightly', ...body, paused: false, version: 1 });
    expect(await client.call('setSchedule', { params, body })).toMatchObject({ version: 1 });
    const { schedules } = await client.call('listSchedules');
    expect(schedules.map(({ name }) => name)).toEqual(['nightly']);
    expect(await client.call('pauseSchedule', { params })).toMatchObject({ paused: true, nextAtMs: null });
    expect(await client.call('resumeSchedule', { params })).toMatchObject({ paused: false });
    const triggered = await client.call('triggerSchedule', { params });
    expect(await client.call('getJob', { params: { id: triggered.id } })).toMatchObject({
      spec: { command: ['backup'] },
    });
    expect(await client.call('getSchedule', { params })).toMatchObject({
      runs: [{ jobId: triggered.id, outcome: 'fired' }],
    });
    const { events } = await client.call('listJobEvents', { params: { id: triggered.id } });
    expect(events.map(({ kind }) => kind)).toEqual(['job.submitted', 'schedule.fired']);
    const headers = { 'idempotency-key': 'once' };
    const once = await client.call('triggerSchedule', { params, headers });
    expect((await client.call('triggerSchedule', { params, headers })).id).toBe(once.id);
    await client.call('deleteSchedule', { params });
    await expect(client.call('getSchedule', { params })).rejects.toMatchObject({
      code: 'SCHEDULE_NOT_FOUND',
    });
  });

  const put = async (body: object, name = 'x') => {
    const headers = { 'content-type': 'application/json' };
    const { status, problem } = await ask(system.url, 'PUT', `/v1/schedules/${name}`, {
      headers,
      body: JSON.stringify(body),
    });
    return { status, problem };
  };

  const minutely = { cron: '* * * * *', job };
  it.each([
    ['cron', { cron: '0 25 * * *', job }, /is "0 25 \* \* \*"; allowed: minute hour day month weekday/],
    ['timeZone', { ...minutely, timeZone: 'Berlin' }, /did you mean Europe\/Berlin\?/],
    ['cron', { job }, /is required/],
    ['job', { cron: '* * * * *' }, /is required/],
    ['job.command', { ...minutely, job: { command: [] } }, /a list of 1 to 1000 entries/],
    ['job.id', { ...minutely, job: { ...job, id: '0' } }, /no such field/],
    ['job.memory', { ...minutely, job: { ...job, memory: 1 } }, /did you mean memoryMiB/],
    ['job.command.0', { ...minutely, job: { command: ['é'.repeat(100_000)] } }, /bytes in UTF-8/],
    ['overlap', { ...minutely, overlap: 'stop' }, /one of: skip, queue, replace/],
    ['catchUpMax', { ...minutely, catchUpMax: 101 }, /an integer from 1 to 100/],
    ['cron', { cron: '*'.repeat(129), job }, /at most 128 characters/],
    ['job.diskMiB', { ...minutely, job: { ...job, diskMiB: 4_000 } }, /at most 32 with memoryMiB 128/],
    ['job.afterFailed', { ...minutely, job: { ...job, afterFailed: 'run' } }, /only with after or inputs/],
  ])('a wrong %s is refused with what is allowed', async (field, body, allowed) => {
    const { status, problem } = await put(body);
    expect(status).toBe(400);
    expect(problem).toMatchObject({ code: 'VALIDATION_FAILED', details: { field } });
    expect(problem.title).toMatch(allowed);
  });

  it('names in the contract each error that its job can lead to', async () => {
    const unknown = await put({ ...minutely, job: { ...job, after: [system.ids()] } });
    expect(unknown.problem.code).toBe('PARENT_UNKNOWN');
    expect(routes.setSchedule.errors).toContain(unknown.problem.code);
    const trigger = async (body: object = {}) => {
      const headers = { 'content-type': 'application/json' };
      const path = '/v1/schedules/x/trigger';
      const { problem } = await ask(system.url, 'POST', path, { headers, body: JSON.stringify(body) });
      expect(routes.triggerSchedule.errors).toContain(problem.code);
      return problem.code;
    };
    const yearly = { cron: '0 0 1 1 *', paused: true };
    const { id: parent } = await client.call('submitJob', { body: job });
    await client.call('setSchedule', {
      params: { name: 'x' },
      body: { ...yearly, job: { ...job, after: [parent] } },
    });
    expect(await trigger({ id: parent })).toBe('JOB_CYCLE');
    await client.call('cancelJob', { params: { id: parent } });
    await client.call('removeJob', { params: { id: parent } });
    expect(await trigger()).toBe('PARENT_UNKNOWN');
    const unique = { key: 'one' };
    await client.call('setSchedule', { params: { name: 'x' }, body: { ...yearly, job: { ...job, unique } } });
    await client.call('triggerSchedule', { params: { name: 'x' } });
    expect(await trigger()).toBe('UNIQUE_CONFLICT');
  });

  it('refuses a name that is none, and a change of what has changed', async () => {
    const body = { cron: '* * * * *', job };
    expect((await put(body, 'Not%20Good')).status).toBe(400);
    expect(await put({ ...body, version: 3 })).toMatchObject({
      status: 409,
      problem: { code: 'SCHEDULE_CHANGED' },
    });
  });
});
