import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClaimedJob } from '../../contract/worker.ts';
import { silentLog } from '../../platform/log.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from '../control.suite.ts';
import { EventFeed } from './event-feed.ts';

let control: Control;
let worker: TestWorker;
let feed: EventFeed;

beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control, { queues: ['default', 'other'] });
  feed = new EventFeed({ db: control.db, commits: control.db, log: silentLog });
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const submit = async (count: number, job = {}): Promise<string[]> => {
  const jobs = Array.from({ length: count }, () => control.jobs.submit({ ...trueJob, ...job }));
  return (await Promise.all(jobs)).map(({ id }) => id);
};

/** The jobs were started and have ended with 0, all told with this call. */
const complete = (claimed: readonly ClaimedJob[]) => {
  const startedAtMs = control.clock.nowMs();
  return worker.work({ want: 0, done: claimed.map((each) => endOf(each, { startedAtMs })) });
};

const toldOf = async (jobId: string): Promise<string[]> =>
  (await control.queries.events(jobId)).events.map(({ kind }) => kind);

describe('many jobs that take a step together', () => {
  it('each have the events they would have alone', async () => {
    const ids = await submit(5);
    control.clock.advance(7);
    const claimed = await worker.claim(5);
    control.clock.advance(7);
    await complete(claimed);
    for (const id of ids) {
      const { events } = await control.queries.events(id);
      const before = events.map(({ seq: _, atMs: __, ...event }) => event);
      const of = { jobId: id, attempt: 1, workerId: worker.id };
      expect(before).toEqual([
        expect.objectContaining({ kind: 'job.submitted', jobId: id }),
        { ...of, kind: 'job.claimed', data: { from: 'pending' } },
        { ...of, kind: 'job.completed', data: { from: 'claimed', reason: 'exit', exitCode: 0 } },
      ]);
      expect(await control.queries.get(id)).toMatchObject({ state: 'completed', exitCode: 0 });
    }
    expect((await control.queries.stats()).jobs).toEqual([
      { queue: 'default', state: 'completed', count: 5 },
    ]);
  });

  it('have events of their own numbers, and who reads may stop between any two of them', async () => {
    await submit(4);
    await complete(await worker.claim(4));
    const newest = await feed.newest();
    const whole = (await feed.page({}, 0, 100)).events;
    expect(whole.map(({ seq }) => seq)).toEqual(Array.from({ length: newest }, (_, index) => index + 1));
    for (const { seq } of whole) {
      const next = await feed.page({}, seq, 2);
      expect(next.events).toEqual(whole.slice(seq, seq + 2));
      expect(await feed.one(seq)).toEqual(whole[seq - 1]);
    }
    expect(await feed.one(newest + 1)).toBeUndefined();
  });

  it('share a row of what tells of them, as far as they are alike', async () => {
    const started = control.clock.nowMs() + 60_000;
    const bodies = [
      ...Array.from({ length: 19 }, () => ({})),
      ...Array.from({ length: 17 }, () => ({ queue: 'other', runAtMs: started })),
      ...[{ tenant: 'a' }, { tenant: 'b' }],
    ];
    const jobs = await Promise.all(bodies.map((body) => control.jobs.submit({ ...trueJob, ...body })));
    const rows = await control.db.query({ sql: 'SELECT job_count, queue FROM events WHERE job_count > 1' });
    expect(rows).toEqual([
      { job_count: 19, queue: 'default' },
      { job_count: 17, queue: 'other' },
    ]);
    for (const { id, spec, state } of jobs) {
      const { events } = await control.queries.events(id);
      const { queue, executor } = spec;
      expect(events).toMatchObject([
        { kind: 'job.submitted', attempt: null, workerId: null, data: { state, queue, executor } },
      ]);
    }
    expect((await control.queries.stats()).jobs).toEqual([
      { queue: 'default', state: 'pending', count: 21 },
      { queue: 'other', state: 'scheduled', count: 17 },
    ]);
  });

  it('are counted in each of their queues', async () => {
    await submit(3);
    await submit(2, { queue: 'other' });
    await complete((await worker.claim(5)).slice(1));
    expect((await control.queries.stats()).jobs).toEqual([
      { queue: 'default', state: 'claimed', count: 1 },
      { queue: 'default', state: 'completed', count: 2 },
      { queue: 'other', state: 'completed', count: 2 },
    ]);
  });

  it('are found by kind, queue and job', async () => {
    const [here = ''] = await submit(1);
    const [there = ''] = await submit(1, { queue: 'other' });
    await complete(await worker.claim(2));
    const ofQueue = await feed.page({ kinds: ['job.completed'], queue: 'other' }, 0, 10);
    expect(ofQueue.events).toMatchObject([{ jobId: there, queue: 'other' }]);
    const ofJob = await feed.page({ jobId: here }, 0, 10);
    expect(ofJob.events.map(({ kind }) => kind)).toEqual(['job.submitted', 'job.claimed', 'job.completed']);
    expect(ofJob.events.every(({ queue }) => queue === 'default')).toBe(true);
  });

  it('are found by their queue when they are forgotten, too', async () => {
    const [alone = ''] = await submit(1, { queue: 'other' });
    await control.jobs.cancel(alone);
    const together = await submit(2, { queue: 'other' });
    await submit(1);
    await complete(await worker.claim(3));
    const before = (await feed.page({ queue: 'other' }, 0, 50)).events;
    expect(before).toHaveLength(9);
    for (const id of [alone, ...together]) await control.forget.remove(id);
    const { events } = await feed.page({ queue: 'other' }, 0, 50);
    expect(events.slice(0, 9)).toEqual(before);
    expect(events.slice(9).map(({ kind }) => kind)).toEqual(Array(3).fill('job.forgotten'));
    for (const event of before) expect(await feed.one(event.seq)).toEqual(event);
    expect((await feed.page({ jobId: alone, queue: 'other' }, 0, 50)).events).toHaveLength(4);
  });

  it('are told of every attempt, those given back too', async () => {
    const [id = ''] = await submit(1);
    const [first] = await worker.claim();
    control.clock.advance(1_000);
    await worker.work({ want: 0, done: [endOf(first as ClaimedJob, { reason: null, exitCode: null })] });
    await complete(await worker.claim());
    expect(await toldOf(id)).toEqual([
      'job.submitted',
      'job.claimed',
      'job.pending',
      'job.claimed',
      'job.completed',
    ]);
  });
});

describe('a call that is sent again', () => {
  it('gives the same claims, told and counted once', async () => {
    const ids = await submit(3);
    const token = control.ids();
    const { claimed } = await worker.work({ token, want: 3 });
    const again = await worker.work({ token, want: 3, repeat: true });
    expect(again.claimed).toEqual(claimed);
    expect(claimed.map(({ jobId }) => jobId)).toEqual(ids);
    for (const id of ids) expect(await toldOf(id)).toEqual(['job.submitted', 'job.claimed']);
    expect((await control.queries.stats()).jobs).toEqual([{ queue: 'default', state: 'claimed', count: 3 }]);
  });

  it('ends its jobs once, and nobody else’s', async () => {
    const [mine = ''] = await submit(1);
    const claimed = await worker.claim();
    await complete(claimed);
    const other = await TestWorker.join(control);
    await submit(1);
    const [foreign] = await other.claim();
    const reply = await complete([...claimed, foreign as ClaimedJob]);
    expect(reply.fenced).toEqual([{ jobId: foreign?.jobId, attempt: 1 }]);
    expect(await toldOf(mine)).toEqual(['job.submitted', 'job.claimed', 'job.completed']);
    expect(await toldOf(foreign?.jobId ?? '')).toEqual(['job.submitted', 'job.claimed']);
  });
});

it('light jobs that others wait for wake them', async () => {
  const [parent = ''] = await submit(1, { group: 'g' });
  const [child = ''] = await submit(1, { after: [parent] });
  let woken = false;
  control.signals.onParentEnded(() => {
    woken = true;
  });
  await complete(await worker.claim(9));
  expect(woken).toBe(true);
  await control.parentEnds.tellAll();
  expect(await control.queries.get(child)).toMatchObject({ state: 'pending' });
  expect(await control.groups.get('g')).toMatchObject({ counts: { completed: 1 } });
});
