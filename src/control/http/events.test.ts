import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { httpTransport } from '../../client/http-transport.ts';
import { BlixardClient, type FollowEventsOptions, type JobEvent } from '../../client/index.ts';
import { defaults } from '../../domain/defaults.ts';
import { limits } from '../../domain/limits.ts';
import { FakeClock } from '../../platform/clock.ts';
import type { SqliteDatabase } from '../../store/sqlite/sqlite.ts';
import { forgetEvents } from '../../store/statements/forget.ts';
import { appTransport } from './app-transport.ts';
import { CuttingProxy } from './cutting-proxy.suite.ts';
import { startTestSystem, type TestSystem, TestWorker } from './test-system.suite.ts';

let system: TestSystem;
let client: BlixardClient;
beforeEach(async () => {
  system = await startTestSystem();
  client = new BlixardClient({ transport: httpTransport({ url: system.url }) });
});
afterEach(async () => {
  await client.close();
  await system.close();
});

const submit = (queue = 'default') => client.call('submitJob', { body: { command: ['true'], queue } });

async function eventually(check: () => boolean): Promise<void> {
  for (let tries = 0; !check(); tries++) {
    if (tries > 500) expect.fail('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Follows until so many events are there. */
async function take(count: number, options: FollowEventsOptions, from = client): Promise<JobEvent[]> {
  const taken: JobEvent[] = [];
  for await (const event of from.followEvents(options)) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

const seqs = (events: readonly JobEvent[]): number[] => events.map(({ seq }) => seq);

describe('a page of events', () => {
  it('goes on where the page before ended, oldest first', async () => {
    for (let i = 0; i < 5; i++) await submit();
    const first = await client.listEvents({ limit: 3 });
    expect(seqs(first.events)).toEqual([1, 2, 3]);
    const second = await client.listEvents({ limit: 3, cursor: first.nextCursor ?? '' });
    expect(seqs(second.events)).toEqual([4, 5]);
    expect(second.nextCursor).toBeNull();
    expect(seqs((await client.listEvents({ last: 2 })).events)).toEqual([4, 5]);
    expect(seqs((await client.listEvents({ after: 3 })).events)).toEqual([4, 5]);
  });

  it('has only what kind, queue and job let through', async () => {
    const a = await submit('a');
    const b = await submit('b');
    await client.call('cancelJob', { params: { id: a.id } });
    const kinds = async (query: Parameters<BlixardClient['listEvents']>[0]) =>
      (await client.listEvents(query)).events.map(({ kind, jobId }) => [kind, jobId]);
    expect(await kinds({ kind: 'job.cancelled' })).toEqual([['job.cancelled', a.id]]);
    expect(await kinds({ queue: 'b' })).toEqual([['job.submitted', b.id]]);
    expect(await kinds({ queue: 'a', kind: 'job.' })).toEqual([
      ['job.submitted', a.id],
      ['job.cancel_requested', a.id],
      ['job.cancelled', a.id],
    ]);
    expect(await kinds({ job: a.id, kind: 'job.sub' })).toEqual([['job.submitted', a.id]]);
  });

  it('is refused at a place that this store never had', async () => {
    await submit();
    await expect(client.listEvents({ after: 2 })).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
    const answer = await fetch(`${system.url}/v1/events`, { headers: { 'last-event-id': 'x' } });
    expect(answer.status).toBe(400);
    await expect(client.listEvents({ job: system.ids() })).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  });

  it('ends after the events it may look at, with a cursor to go on', async () => {
    const rows = JSON.stringify(Array.from({ length: limits.eventScanMax + 1 }, () => 0));
    await system.db.batch([
      {
        sql: `INSERT INTO events (at_ms, kind, data) SELECT 1, 'test.noise', '{}' FROM json_each(?)`,
        args: [rows],
      },
    ]);
    await submit();
    const first = await client.listEvents({ kind: 'job.' });
    expect(first.events).toEqual([]);
    const second = await client.listEvents({ kind: 'job.', cursor: first.nextCursor ?? '' });
    expect(seqs(second.events)).toEqual([limits.eventScanMax + 2]);
    expect(second.nextCursor).toBeNull();
  });
});

describe('events that are no longer kept', () => {
  const gone = (after: number, oldest: number) => ({ code: 'EVENTS_GONE', details: { after, oldest } });

  /** Five jobs, and the events 1 to 3 forgotten. */
  const forgotten = async () => {
    const jobs: string[] = [];
    for (let i = 0; i < 5; i++) jobs.push((await submit()).id);
    await system.db.batch([forgetEvents.with({ before: 4 })]);
    return jobs;
  };

  it('are told to who goes on behind them, by page, cursor and stream', async () => {
    for (let i = 0; i < 5; i++) await submit();
    const first = await client.listEvents({ limit: 2 });
    await system.db.batch([forgetEvents.with({ before: 4 })]);
    const cursor = first.nextCursor ?? '';
    await expect(client.listEvents({ cursor })).rejects.toMatchObject(gone(2, 4));
    await expect(client.listEvents({ after: 1, kind: 'job.' })).rejects.toMatchObject(gone(1, 4));
    await expect(take(1, { after: 2, queue: 'default' })).rejects.toMatchObject(gone(2, 4));
    const answer = await fetch(`${system.url}/v1/events`, { headers: { 'last-event-id': '1' } });
    expect(answer.status).toBe(410);
    expect(await answer.json()).toMatchObject({
      ...gone(1, 4),
      status: 410,
    });
  });

  it('are not missed by who begins at the oldest, at the last of those gone, or from the newest back', async () => {
    await forgotten();
    for (const start of [{ after: 0 }, { after: 3 }, { last: 9 }, {}])
      expect(seqs((await client.listEvents(start)).events), JSON.stringify(start)).toEqual([4, 5]);
    for (const start of [{ after: 0 }, { after: 3 }, { last: 9 }])
      expect(seqs(await take(2, start)), JSON.stringify(start)).toEqual([4, 5]);
    const page = await client.listEvents({ limit: 1 });
    expect(seqs((await client.listEvents({ cursor: page.nextCursor ?? '' })).events)).toEqual([5]);
  });

  it('are none of a job whose first is kept, and may be of another', async () => {
    const [old = '', , , , job = ''] = await forgotten();
    expect(seqs((await client.listEvents({ job, after: 1 })).events)).toEqual([5]);
    expect(seqs(await take(1, { job, after: 1 }))).toEqual([5]);
    await client.call('cancelJob', { params: { id: old } });
    await expect(client.listEvents({ job: old, after: 1 })).rejects.toMatchObject(gone(1, 4));
    expect(seqs((await client.listEvents({ job: old })).events)).toEqual([6, 7]);
  });

  it('cut a follower off that did not take them in time', async () => {
    const following = client.followEvents({ after: 0 })[Symbol.asyncIterator]();
    const big = JSON.stringify({ text: 'x'.repeat(1_000) });
    const count = 50 * limits.eventPage;
    const rows = JSON.stringify(Array.from({ length: count }, () => 0));
    const sql = `INSERT INTO events (at_ms, kind, data) SELECT 1, 'test.noise', ? FROM json_each(?)`;
    await system.db.batch([{ sql, args: [big, rows] }]);
    expect((await following.next()).value).toMatchObject({ seq: 1 });
    await system.db.batch([forgetEvents.with({ before: count })]);
    let last = 1;
    const rest = async () => {
      for (;;) last = ((await following.next()).value as JobEvent).seq;
    };
    await expect(rest()).rejects.toMatchObject({ code: 'EVENTS_GONE', details: { oldest: count } });
    expect(last).toBeLessThan(count - 1);
  });
});

describe('a follower of events', () => {
  it('hears at once of what is committed, and of all before it when it asks', async () => {
    await submit();
    const all = take(3, { after: 0 });
    const live = take(2, {});
    await eventually(() => system.deps.events.listened === 2);
    await submit();
    await submit();
    expect(seqs(await all)).toEqual([1, 2, 3]);
    expect(seqs(await live)).toEqual([2, 3]);
    await eventually(() => system.deps.events.listened === 0);
  });

  it('misses nothing and gets nothing twice when its connection is cut at any point', async () => {
    const proxy = await CuttingProxy.start(Number(new URL(system.url).port));
    const own = new BlixardClient({ transport: httpTransport({ url: proxy.url }) });
    const count = 400;
    const following = take(count, { after: 0 }, own);
    for (let i = 0; i < count; i++) await submit();
    expect(seqs(await following)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    expect(proxy.cuts).toBeGreaterThan(3);
    await own.close();
    await proxy.close();
  }, 20_000);

  it.each(['nothing.here', 'job.compleeted', 'job.completed.'])(
    'refuses the kind %s, which is none',
    async (kind) => {
      for (const follow of [true, false]) {
        const answer = await fetch(`${system.url}/v1/events?kind=${kind}&follow=${follow}`);
        expect(answer.status).toBe(400);
        const allowed = expect.stringContaining('job.submitted, ') as string;
        const details = { field: 'kind', value: JSON.stringify(kind), allowed };
        expect(await answer.json()).toMatchObject({ code: 'VALIDATION_FAILED', details });
      }
    },
  );

  it('with a filter is told its place, so that it need not look at everything again', async () => {
    const clock = new FakeClock();
    const quiet = await startTestSystem({ clock });
    const own = new BlixardClient({ transport: appTransport(quiet.app) });
    const { body } = await appTransport(quiet.app).send({
      method: 'GET',
      path: '/v1/events?kind=worker.&after=0',
      headers: {},
    });
    let text = '';
    body.on('data', (chunk: Buffer) => {
      text += String(chunk);
    });
    await eventually(() => text === ': following\nid: 0\n\n');
    for (let i = 0; i < 3; i++) await own.call('submitJob', { body: { command: ['true'] } });
    await eventually(() => {
      clock.advance(defaults.followHeartbeatMs);
      return text.endsWith(': still here\nid: 3\n\n');
    });
    await new TestWorker(own, quiet.ids).register();
    await eventually(() => text.includes('event: event\nid: 4\ndata: {"seq":4,'));
    body.destroy();
    await eventually(() => quiet.deps.events.listened === 0);
    await quiet.close();
    expect(clock.waiting).toBe(0);
  });

  it('that passes over a flood is told its place in between', async () => {
    const rows = JSON.stringify(Array.from({ length: 3 * limits.eventPage }, () => 0));
    await system.db.batch([
      {
        sql: `INSERT INTO events (at_ms, kind, data) SELECT 1, 'test.noise', '{}' FROM json_each(?)`,
        args: [rows],
      },
    ]);
    const answer = await fetch(`${system.url}/v1/events?kind=job.&after=0`);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes(`: passed over\nid: ${3 * limits.eventPage}\n`))
      text += (await reader?.read())?.value ?? '';
    await reader?.cancel();
    expect(text.match(/passed over/g)).toHaveLength(3);
  });

  it('that reads nothing does not make the server read on', async () => {
    const big = JSON.stringify({ text: 'x'.repeat(1_000) });
    const count = 20 * limits.eventPage;
    const rows = JSON.stringify(Array.from({ length: count }, () => 0));
    await system.db.batch([
      {
        sql: `INSERT INTO events (at_ms, kind, data) SELECT 1, 'test.noise', ? FROM json_each(?)`,
        args: [big, rows],
      },
    ]);
    const db = system.db as SqliteDatabase;
    const before = db.stats().queries;
    const { body } = await appTransport(system.app).send({
      method: 'GET',
      path: '/v1/events?after=0',
      headers: {},
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(db.stats().queries - before).toBeLessThan(8);
    body.destroy();
    await eventually(() => system.deps.events.listened === 0);
  });

  it('has an end to its kind', async () => {
    const followers = Array.from({ length: limits.followersMax }, () =>
      appTransport(system.app).send({ method: 'GET', path: '/v1/events', headers: {} }),
    );
    const open = await Promise.all(followers);
    const answer = await fetch(`${system.url}/v1/events`);
    expect(answer.status).toBe(429);
    expect(await answer.json()).toMatchObject({ code: 'OVERLOADED' });
    for (const { body } of open) body.destroy();
    await eventually(() => system.deps.events.listened === 0);
  }, 20_000);

  it('lets go when the server closes, and costs an idle server nothing', async () => {
    const db = system.db as SqliteDatabase;
    const answer = await fetch(`${system.url}/v1/events`);
    await eventually(() => system.deps.events.listened === 1);
    const { queries, statements } = db.stats();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(db.stats()).toMatchObject({ queries, statements });
    const ended = answer.text();
    await system.app.close();
    expect(await ended).toBe(': following\nid: 0\n\n');
    expect(system.deps.events.listened).toBe(0);
  });
});
