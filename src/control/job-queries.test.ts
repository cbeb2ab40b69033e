import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jobMachine } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from './control.suite.ts';
import { cursorOf, nameOf, seqOf } from './cursor.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(() => control.close());

describe('ids', () => {
  it('are found by a unique start', async () => {
    const { id } = await control.jobs.submit(trueJob);
    control.clock.advance(100_000);
    await control.jobs.submit(trueJob);
    expect(await control.queries.resolveId(id.slice(0, 12))).toBe(id);
    expect((await control.queries.get(id.slice(0, -1))).id).toBe(id);
  });

  it('that are ambiguous are told with a few matches', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 7; n++) ids.push((await control.jobs.submit(trueJob)).id);
    await expect(control.queries.get(ids[0]?.slice(0, 8) ?? '')).rejects.toMatchObject({
      code: 'JOB_ID_AMBIGUOUS',
      details: { matches: `${ids.slice(0, 5).join(', ')}, …` },
    });
  });

  it('that are unknown are told so', async () => {
    const unknown = { code: 'JOB_NOT_FOUND' };
    await expect(control.queries.get('ffff')).rejects.toMatchObject(unknown);
    await expect(control.queries.get(control.ids())).rejects.toMatchObject(unknown);
    await expect(control.queries.attempts(control.ids())).rejects.toMatchObject(unknown);
    await expect(control.queries.events(control.ids())).rejects.toMatchObject(unknown);
  });
});

describe('pages', () => {
  it('show every job once, newest first, also while jobs are added', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 25; n++) ids.push((await control.jobs.submit(trueJob)).id);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await control.queries.list({ limit: 10, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.jobs.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
      await control.jobs.submit(trueJob);
    } while (cursor !== undefined);
    expect(seen).toEqual(ids.reverse());
  });

  it('filter by state, by queue, and by both', async () => {
    const a = await control.jobs.submit({ ...trueJob, queue: 'a' });
    const b = await control.jobs.submit({ ...trueJob, queue: 'b' });
    const gone = await control.jobs.submit({ ...trueJob, queue: 'b' });
    await control.jobs.cancel(gone.id);
    const idsOf = async (query: Parameters<typeof control.queries.list>[0]): Promise<string[]> =>
      (await control.queries.list(query)).jobs.map(({ id }) => id);
    expect(await idsOf({ state: 'pending' })).toEqual([b.id, a.id]);
    expect(await idsOf({ queue: 'b' })).toEqual([gone.id, b.id]);
    expect(await idsOf({ queue: 'b', state: 'cancelled' })).toEqual([gone.id]);
    expect(await idsOf({ queue: 'c' })).toEqual([]);
    expect(await idsOf({ state: ['cancelled', 'pending'] })).toEqual([gone.id, b.id, a.id]);
    expect(await idsOf({ state: ['cancelled', 'failed'] })).toEqual([gone.id]);
    expect(await idsOf({ queue: 'b', state: ['pending', 'cancelled', 'pending'] })).toEqual([gone.id, b.id]);
    expect(await idsOf({ queue: 'a', state: ['failed', 'cancelled'] })).toEqual([]);
    expect(await idsOf({ state: jobMachine.states })).toEqual([gone.id, b.id, a.id]);
    expect(await idsOf({ state: ['cancelled', 'pending'], tenant: 'default' })).toEqual([
      gone.id,
      b.id,
      a.id,
    ]);
    expect(await idsOf({ state: ['cancelled', 'failed'], text: 'true' })).toEqual([gone.id]);
  });

  it('of several states are in order over all of them and all queues', async () => {
    const wanted: string[] = [];
    for (let n = 0; n < 24; n++) {
      const body = { ...trueJob, queue: `q${n % 5}`, labels: { a: 'b' }, delayMs: n % 3 === 1 ? 1_000 : 0 };
      const { id } = await control.jobs.submit(body);
      if (n % 3 === 0) await control.jobs.cancel(id);
      if (n % 3 !== 1) wanted.unshift(id);
    }
    const state = ['cancelled', 'pending'] as const;
    for (const query of [{ state }, { state, label: ['a=b'] }, { state, createdAfterMs: 1 }]) {
      const found: string[] = [];
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const page = await control.queries.list({ ...query, limit: 5, ...(cursor && { cursor }) });
        found.push(...page.jobs.map(({ id }) => id));
        cursor = page.nextCursor;
      }
      expect(found).toEqual(wanted);
    }
  });

  it('have cursors that come back as they went, and no others', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: limits.integerMax }),
        (seq) => seqOf('jobs', cursorOf('jobs', seq)) === seq,
      ),
    );
    const name = 'x'.repeat(64);
    expect(nameOf('schedules', cursorOf('schedules', name))).toBe(name);
    expect(cursorOf('schedules', name).length).toBeLessThanOrEqual(128);
    for (const bad of ['', 'x', cursorOf('jobs', -1), cursorOf('jobs', 2 ** 60), cursorOf('events', 1)])
      expect(() => seqOf('jobs', bad), bad).toThrow(/cursor/);
    for (const bad of ['', 'x', cursorOf('queues', 'x')])
      expect(() => nameOf('groups', bad), bad).toThrow(/of this list/);
  });

  it('of events begin after the cursor', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const worker = await TestWorker.join(control);
    const running = await worker.run();
    await worker.work({ done: [endOf(running)] });
    const first = await control.queries.events(id, { limit: 3 });
    expect(first.events.map(({ kind }) => kind)).toEqual(['job.submitted', 'job.claimed', 'job.running']);
    const second = await control.queries.events(id, { limit: 3, cursor: first.nextCursor ?? '' });
    expect(second).toMatchObject({
      events: [
        { kind: 'job.completed', attempt: 1, workerId: worker.id, data: { reason: 'exit', exitCode: 0 } },
      ],
      nextCursor: null,
    });
  });
});

describe('waitEnded', () => {
  it('answers at once for an ended job, after the time for another, and when nobody waits', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const { signal } = new AbortController();
    expect((await control.queries.waitEnded(id, 0, signal)).state).toBe('pending');
    const timed = control.queries.waitEnded(id, 1_000, signal);
    await settle();
    control.clock.advance(1_000);
    expect((await timed).state).toBe('pending');
    const gone = new AbortController();
    const left = control.queries.waitEnded(id, 1_000, gone.signal);
    await settle();
    gone.abort();
    expect((await left).state).toBe('pending');
    await control.jobs.cancel(id);
    expect((await control.queries.waitEnded(id, 1_000, signal)).state).toBe('cancelled');
    expect(control.clock.waiting).toBe(0);
  });

  it('answers when a worker has ended the job', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const worker = await TestWorker.join(control);
    const running = await worker.run();
    const waiting = control.queries.waitEnded(id, 10_000, new AbortController().signal);
    await settle();
    await worker.work({ done: [endOf(running, { exitCode: 7 })] });
    expect(await waiting).toMatchObject({ state: 'failed', exitCode: 7 });
  });
});

describe('a pending job says why it waits', () => {
  const images = [{ name: 'base', digest: 'sha256:1' }];
  const unavailable = 'VM manager is not available (SKIP_VM_MANAGER may be set): no qemu';

  it.each([
    ['no worker', [], /^No worker is online/],
    ['no executor', [{ executors: [{ name: 'process', unavailable: null }] }], /offers the executor microvm/],
    [
      'an executor that cannot run',
      [{ name: 'w1', executors: [{ name: 'microvm', unavailable }] }],
      `No online worker can run the executor microvm: worker w1 says "${unavailable}".`,
    ],
    ['no queue', [{ queues: ['other'] }], /serves the queue default/],
    ['no image', [{ images: [{ name: 'tools', digest: 'sha256:2' }] }], /has the image base:latest/],
  ])('%s', async (_, workers, text) => {
    const { id } = await control.jobs.submit(trueJob);
    for (const worker of workers) await TestWorker.join(control, worker);
    const { waiting } = await control.queries.get(id);
    if (typeof text === 'string') expect(waiting).toBe(text);
    else expect(waiting).toMatch(text);
  });

  it('all workers draining', async () => {
    const worker = await TestWorker.join(control, { images });
    await control.workers.drain(worker.id);
    const { id } = await control.jobs.submit(trueJob);
    expect((await control.queries.get(id)).waiting).toBe(
      'No worker is online; 1 is draining and takes no more jobs before being started again.',
    );
  });

  it('all slots busy, or nothing at all', async () => {
    const worker = await TestWorker.join(control, { slots: 1, images });
    await control.jobs.submit(trueJob);
    const { id } = await control.jobs.submit(trueJob);
    expect((await control.queries.get(id)).waiting).toBeNull();
    await worker.run();
    expect((await control.queries.get(id)).waiting).toBe(
      'The online workers that could run it have no free slot (1 in use).',
    );
    expect((await control.queries.list({})).jobs.every(({ waiting }) => waiting === null)).toBe(true);
  });
});

describe('totals', () => {
  it('count jobs per queue past any number of queues that have none any more', async () => {
    const names = Array.from({ length: limits.countsMax }, (_, n) => `branch-${n}`);
    const sql = 'INSERT INTO queue_counts (queue) SELECT value FROM json_each(?)';
    await control.db.batch([{ sql, args: [JSON.stringify(names)] }]);
    await control.jobs.submit({ ...trueJob, queue: 'main' });
    expect((await control.queries.stats()).jobs).toEqual([{ queue: 'main', state: 'pending', count: 1 }]);
  });

  it('count jobs by queue and state, and workers', async () => {
    await control.jobs.submit({ ...trueJob, queue: 'a' });
    const { id } = await control.jobs.submit({ ...trueJob, queue: 'a' });
    await control.jobs.submit({ ...trueJob, queue: 'b' });
    await control.jobs.cancel(id);
    await TestWorker.join(control);
    const drained = await TestWorker.join(control);
    await control.workers.drain(drained.id);
    expect(await control.queries.stats()).toEqual({
      jobs: [
        { queue: 'a', state: 'cancelled', count: 1 },
        { queue: 'a', state: 'pending', count: 1 },
        { queue: 'b', state: 'pending', count: 1 },
      ],
      workersOnline: 1,
    });
    expect((await control.queries.workers()).map(({ state }) => state)).toEqual(['online', 'draining']);
    await expect(control.queries.ready()).resolves.toBeUndefined();
  });
});
