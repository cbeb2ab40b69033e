import { Check } from 'typebox/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import type { CallArgs } from '../../client/wire.ts';
import { type JsonRouteName, type ReplyOf, routes } from '../../contract/routes.ts';
import type { TSchema } from '../../contract/typebox.ts';
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

/** Calls, and checks that the reply is as the contract says, with nothing more. */
async function call<N extends JsonRouteName>(route: N, ...args: CallArgs<N>): Promise<ReplyOf<N>> {
  const reply = await client.call(route, ...args);
  expect(Check(routes[route].reply as TSchema, reply), `${route}: ${JSON.stringify(reply)}`).toBe(true);
  return reply;
}

const command = ['true'];
const nowhere = '01890000-0000-7000-8000-000000000000';
const post = (body: object) =>
  ask(system.url, 'POST', '/v1/jobs', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const get = (id: string, waitMs = 0) => call('getJob', { params: { id }, query: { waitMs } });

describe('jobs that run after others, over HTTP', () => {
  it('a diamond runs in order, and a waiting worker gets each job as soon as it may run', async () => {
    const id = (): string => client.newJobId();
    const ids = { top: id(), left: id(), right: id(), bottom: id() };
    await call('submitJobs', {
      body: [
        { command, id: ids.bottom, after: [ids.left, ids.right] },
        { command, id: ids.left, after: [ids.top] },
        { command, id: ids.right, after: [ids.top] },
        { command, id: ids.top },
      ],
    });
    expect((await get(ids.bottom)).waiting).toContain(`${ids.left} (blocked)`);
    const seen: string[] = [];
    for (let n = 0; n < 4; n++) {
      const claimed = await worker.start();
      seen.push(claimed.jobId);
      await worker.end(claimed, 0);
    }
    expect(seen[0]).toBe(ids.top);
    expect(seen[3]).toBe(ids.bottom);
    expect((await get(ids.bottom)).state).toBe('completed');
    const params = { id: ids.top.slice(0, -1) };
    const children = await call('listChildren', { params, query: { limit: 500 } });
    expect(children.jobs.map(({ id }) => id).sort()).toEqual([ids.left, ids.right].sort());
  });

  it.each([
    ['fail', 'failed', 'parent_failed'],
    ['skip', 'cancelled', 'skipped'],
  ] as const)('a failing parent ends a child with the policy %s', async (afterFailed, state, reason) => {
    const parent = await call('submitJob', { body: { command } });
    const child = await call('submitJob', { body: { command, after: [parent.id], afterFailed } });
    await worker.end(await worker.start(), 3);
    expect(await get(child.id, 5_000)).toMatchObject({ state, reason, attempt: 0, spec: { afterFailed } });
  });

  it('a failing parent lets a child with the policy run go on', async () => {
    const parent = await call('submitJob', { body: { command } });
    const child = await call('submitJob', { body: { command, after: [parent.id], afterFailed: 'run' } });
    await worker.end(await worker.start(), 3);
    const claimed = await worker.start();
    expect(claimed.jobId).toBe(child.id);
    await worker.end(claimed, 0);
  });

  it.each([
    ['what is no id', { after: ['x'] }, 'after.0'],
    ['too many ids', { after: Array(limits.parentsMax + 1).fill(nowhere) }, 'after'],
    ['what is no policy', { after: [], afterFailed: 'wait' }, 'afterFailed'],
    ['a policy for nothing', { afterFailed: 'run' }, 'afterFailed'],
    ['what is no name of a group', { group: 'no name' }, 'group'],
    ['a name that is too long', { group: 'g'.repeat(limits.nameLength + 1) }, 'group'],
  ])('are refused %s', async (_, more, field) => {
    const reply = await post({ command, ...more });
    expect(reply.status).toBe(400);
    expect(reply.problem).toMatchObject({ code: 'VALIDATION_FAILED', details: { field } });
  });

  it('are refused jobs that are nowhere, and take as many as the limit', async () => {
    const reply = await post({ command, after: Array(limits.parentsMax).fill(nowhere) });
    expect(reply.status).toBe(422);
    expect(reply.problem).toMatchObject({ code: 'PARENT_UNKNOWN', details: { parentId: nowhere } });
    const { id } = await call('submitJob', { body: { command } });
    const many = {
      command,
      after: Array<string>(limits.parentsMax).fill(id),
      group: 'g'.repeat(limits.nameLength),
    };
    expect(await call('submitJob', { body: many })).toMatchObject({ state: 'blocked' });
    await call('cancelJob', { params: { id }, body: {} });
  });
});

describe('groups over HTTP', () => {
  it('are waited for, listed, and gone with their jobs', async () => {
    const { id } = await call('submitJob', { body: { command, group: 'Nightly-1' } });
    const params = { name: 'Nightly-1' };
    expect(await call('getGroup', { params })).toMatchObject({ counts: { pending: 1 }, finished: false });
    const waiting = client.waitGroup('Nightly-1');
    await worker.end(await worker.start(), 0);
    expect(await waiting).toMatchObject({ finished: true, counts: { completed: 1 } });
    expect((await call('listGroups', { query: { limit: 1 } })).groups).toMatchObject([{ name: 'Nightly-1' }]);
    expect((await call('listJobs', { query: { group: 'Nightly-1' } })).jobs.map((job) => job.id)).toEqual([
      id,
    ]);
    await call('removeJob', { params: { id } });
    await expect(call('getGroup', { params })).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
  });

  it('are cancelled', async () => {
    const { id } = await call('submitJob', { body: { command, group: 'g' } });
    const body = { reason: 'enough' };
    const cancelled = { cancelled: 1, stopping: 0, more: false };
    expect(await call('cancelGroup', { params: { name: 'g' }, body })).toEqual(cancelled);
    expect(await get(id)).toMatchObject({ state: 'cancelled', cancelReason: 'enough' });
  });
});
