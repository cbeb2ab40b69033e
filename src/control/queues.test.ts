import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from './control.suite.ts';
import { JobQueries } from './job-queries.ts';
import { QueueQueries } from './queue-queries.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const submit = async (body: object = {}): Promise<string> =>
  (await control.jobs.submit({ ...trueJob, ...body })).id;

const idsOf = (claimed: readonly { jobId: string }[]): string[] => claimed.map(({ jobId }) => jobId);

describe('settings', () => {
  it('are told back with every default, and survive a restart', async () => {
    const set = await control.queues.set('builds', { concurrencyMax: 3, retention: { failedMs: null } });
    expect(set).toMatchObject({
      name: 'builds',
      paused: false,
      concurrencyMax: 3,
      concurrencyMaxPerKey: null,
      retention: { completedMs: 7 * 86_400_000, failedMs: null, cancelledMs: 7 * 86_400_000 },
    });
    expect(await new QueueQueries(control).get('builds')).toEqual(set);
  });

  it('replace all settings, and leave the pause alone', async () => {
    await control.queues.set('builds', { concurrencyMax: 3 });
    await control.queues.pause('builds');
    expect(await control.queues.set('builds', {})).toMatchObject({ concurrencyMax: null, paused: true });
  });
});

describe('queues', () => {
  it('are listed by name when they have settings or jobs, in pages', async () => {
    await submit({ queue: 'b' });
    await control.queues.set('a', {});
    await submit({ queue: 'c' });
    await control.queues.pause('c');
    const { queues, nextCursor } = await control.queueQueries.list();
    expect(queues.map(({ name, paused, counts }) => ({ name, paused, counts }))).toEqual([
      { name: 'a', paused: false, counts: {} },
      { name: 'b', paused: false, counts: { pending: 1 } },
      { name: 'c', paused: true, counts: { pending: 1 } },
    ]);
    expect(nextCursor).toBeNull();
    const first = await control.queueQueries.list({ limit: 2 });
    const second = await control.queueQueries.list({ limit: 2, cursor: first.nextCursor ?? '' });
    expect([...first.queues, ...second.queues].map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  it('that nobody named are not there', async () => {
    await expect(control.queueQueries.get('typo')).rejects.toMatchObject({ code: 'QUEUE_NOT_FOUND' });
    await expect(control.queueQueries.stats('typo')).rejects.toMatchObject({ code: 'QUEUE_NOT_FOUND' });
  });

  it('tell how they are doing', async () => {
    const worker = await TestWorker.join(control);
    await submit();
    const createdAtMs = control.clock.nowMs();
    await submit();
    await worker.run();
    expect(await control.queueQueries.stats('default')).toMatchObject({
      held: 1,
      counts: { pending: 1, running: 1 },
      oldestPendingAtMs: createdAtMs,
      lastCompletedAtMs: null,
    });
  });
});

describe('a paused queue', () => {
  it('starts no job, says so, and on resume wakes the worker that waits', async () => {
    const worker = await TestWorker.join(control, { queues: ['default', 'other'] });
    await control.queues.pause('default');
    const id = await submit();
    expect(await worker.claim()).toEqual([]);
    expect((await control.queries.get(id)).waiting).toMatch('The queue default is paused');
    const other = await submit({ queue: 'other' });
    expect(idsOf(await worker.claim(5))).toEqual([other]);
    const waiting = worker.work({ waitMs: 30_000 });
    await settle();
    await control.queues.resume('default');
    expect(idsOf((await waiting).claimed)).toEqual([id]);
  });

  it('stays paused for who comes later, and lets what runs go on', async () => {
    const worker = await TestWorker.join(control);
    await submit();
    const running = await worker.run();
    await control.queues.pause('default');
    expect((await new QueueQueries(control).get('default')).paused).toBe(true);
    await worker.work({ done: [endOf(running)] });
    expect((await control.queries.get(running.jobId)).state).toBe('completed');
  });

  it('paused twice tells it once', async () => {
    await control.queues.pause('q');
    await control.queues.pause('q');
    const events = await control.db.query({ sql: "SELECT 1 AS x FROM events WHERE kind = 'queue.changed'" });
    expect(events).toHaveLength(1);
  });
});

describe('the concurrency of a queue', () => {
  it('is kept over all executors and workers, and room wakes who waits', async () => {
    const executors = [
      { name: 'microvm', unavailable: null },
      { name: 'wasm', unavailable: null },
    ];
    const [one, two] = [await TestWorker.join(control, { executors }), await TestWorker.join(control)];
    await control.queues.set('default', { concurrencyMax: 2 });
    const ids = [await submit({ executor: 'wasm' }), await submit(), await submit()];
    const claimed = await one.claim(10);
    expect(idsOf(claimed)).toEqual(ids.slice(0, 2));
    expect((await control.queries.get(ids[2] ?? '')).waiting).toBe(
      'The queue default runs at most 2 of its jobs at once.',
    );
    const waiting = two.work({ waitMs: 30_000 });
    await settle();
    for (const each of claimed) await one.start(each);
    await one.work({ want: 0, done: [endOf(claimed[0] ?? { jobId: '', attempt: 0 })] });
    expect(idsOf((await waiting).claimed)).toEqual([ids[2]]);
  });

  it('may be lowered below what runs, and raised while a worker waits', async () => {
    const worker = await TestWorker.join(control);
    for (let n = 0; n < 4; n++) await submit();
    expect(await worker.claim(3)).toHaveLength(3);
    await control.queues.set('default', { concurrencyMax: 1 });
    expect(await worker.claim(3)).toEqual([]);
    const waiting = worker.work({ waitMs: 30_000 });
    await settle();
    await control.queues.set('default', { concurrencyMax: 4 });
    expect((await waiting).claimed).toHaveLength(1);
  });

  it('leaves other queues alone', async () => {
    const worker = await TestWorker.join(control, { queues: ['a', 'b'] });
    await control.queues.set('a', { concurrencyMax: 1 });
    for (let n = 0; n < 3; n++) await submit({ queue: 'a' });
    for (let n = 0; n < 3; n++) await submit({ queue: 'b' });
    expect(await worker.claim(10)).toHaveLength(4);
  });
});

describe('the concurrency of a key', () => {
  it('holds back the jobs of a full key and no other, and the next goes when one ends', async () => {
    const worker = await TestWorker.join(control);
    await control.queues.set('default', { concurrencyMaxPerKey: 1 });
    const [a1, a2] = [await submit({ concurrencyKey: 'a' }), await submit({ concurrencyKey: 'a' })];
    const [b, free] = [await submit({ concurrencyKey: 'b' }), await submit()];
    const claimed = await worker.claim(10);
    expect(idsOf(claimed)).toEqual([a1, b, free]);
    expect(await control.queries.get(a2)).toMatchObject({
      state: 'pending',
      spec: { concurrencyKey: 'a' },
      waiting: 'The queue default runs at most 1 of the jobs with the key a at once.',
    });
    const other = await TestWorker.join(control);
    const waiting = other.work({ waitMs: 30_000 });
    await settle();
    const [first] = claimed;
    if (first === undefined) throw new Error('nothing was claimed');
    await worker.start(first);
    await worker.work({ want: 0, done: [endOf(first)] });
    expect(idsOf((await waiting).claimed)).toEqual([a2]);
  });

  it('gives the place of a cancelled claim, of a lost worker’s job and of a retried one on', async () => {
    const worker = await TestWorker.join(control);
    await control.queues.set('default', { concurrencyMaxPerKey: 1 });
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push(await submit({ concurrencyKey: 'a' }));
    expect(idsOf(await worker.claim(5))).toEqual([ids[0]]);
    await control.jobs.cancel(ids[0] ?? '');
    expect(idsOf(await worker.claim(5))).toEqual([ids[1]]);
    await control.workers.remove(worker.id);
    await worker.register();
    await control.jobs.cancel(ids[2] ?? '');
    await control.jobs.retry(ids[2] ?? '');
    expect(idsOf(await worker.claim(5))).toEqual([ids[1]]);
  });

  it('wakes a worker when a ready job of the key is cancelled', async () => {
    const worker = await TestWorker.join(control, { executors: [{ name: 'wasm', unavailable: null }] });
    await control.queues.set('default', { concurrencyMaxPerKey: 1 });
    const first = await submit({ concurrencyKey: 'a' });
    const second = await submit({ concurrencyKey: 'a', executor: 'wasm' });
    const waiting = worker.work({ waitMs: 30_000 });
    await settle();
    await control.jobs.cancel(first);
    expect(idsOf((await waiting).claimed)).toEqual([second]);
  });

  it('may be set, raised and taken away while jobs wait', async () => {
    const worker = await TestWorker.join(control);
    for (let n = 0; n < 6; n++) await submit({ concurrencyKey: n % 2 === 0 ? 'even' : 'odd' });
    expect(await worker.claim(1)).toHaveLength(1);
    await control.queues.set('default', { concurrencyMaxPerKey: 1 });
    expect(await worker.claim(10)).toHaveLength(1);
    await control.queues.set('default', { concurrencyMaxPerKey: 2 });
    expect(await worker.claim(10)).toHaveLength(2);
    await control.queues.set('default', {});
    expect(await worker.claim(10)).toHaveLength(2);
  });

  it('costs a claim the same however many jobs of a full key wait', async () => {
    const worker = await TestWorker.join(control);
    await control.queues.set('default', { concurrencyMaxPerKey: 1 });
    await Promise.all(Array.from({ length: 2_000 }, () => submit({ concurrencyKey: 'full' })));
    await worker.claim(1);
    const ready = await control.db.query({
      sql: `SELECT count(*) AS n FROM jobs INDEXED BY jobs_ready
            WHERE queue = 'default' AND executor = 'microvm' AND state = 'pending' AND waits_for_key = 0`,
    });
    expect(ready).toEqual([{ n: 0 }]);
    const free = await submit();
    expect(idsOf(await worker.claim(10))).toEqual([free]);
  });
});

it('a job that waits for its queue tells so to every process', async () => {
  await control.queues.pause('default');
  const id = await submit();
  expect((await new JobQueries(control).get(id)).waiting).toMatch('paused');
});
