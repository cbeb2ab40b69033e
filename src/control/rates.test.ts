import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../contract/job.ts';
import { silentLog } from '../platform/log.ts';
import { seededRandom } from '../platform/random.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from './control.suite.ts';
import { Scheduler } from './scheduler.ts';

let control: Control;
let worker: TestWorker;

beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control, { slots: 100 });
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const submit = async (body: Partial<SubmitJob> = {}): Promise<string> =>
  (await control.jobs.submit({ ...trueJob, ...body })).id;
const submitMany = async (count: number, body: Partial<SubmitJob> = {}): Promise<void> => {
  for (let n = 0; n < count; n++) await submit(body);
};

describe('the rate of a queue', () => {
  it('lets a full bucket of jobs start at once, then one whenever a token flows in', async () => {
    await control.queues.set('default', { rateLimit: { max: 3, perMs: 1_000 } });
    await submitMany(10);
    expect(await worker.claim(10)).toHaveLength(3);
    expect(await worker.claim(10)).toEqual([]);
    control.clock.advance(333);
    expect(await worker.claim(10)).toEqual([]);
    control.clock.advance(1);
    expect(await worker.claim(10)).toHaveLength(1);
    control.clock.advance(10_000);
    expect(await worker.claim(10)).toHaveLength(3);
  });

  it('says why a job waits and until when, and leaves other queues alone', async () => {
    await worker.register({ queues: ['default', 'other'] });
    await control.queues.set('default', { rateLimit: { max: 1, perMs: 60_000 } });
    await submit();
    const id = await submit();
    const other = await submit({ queue: 'other' });
    expect((await worker.claim(5)).map(({ jobId }) => jobId)).toContain(other);
    const next = new Date(control.clock.nowMs() + 60_000).toISOString();
    expect((await control.queries.get(id)).waiting).toBe(
      `The queue default starts at most 1 of its jobs in 1m; the next may start at ${next}.`,
    );
  });

  it('wakes the workers that wait by one timer, when the next token is there', async () => {
    control.scheduler.start();
    await settle();
    await control.queues.set('default', { rateLimit: { max: 1, perMs: 5_000 } });
    const others = [await TestWorker.join(control), await TestWorker.join(control)];
    await submitMany(2);
    expect(await worker.claim()).toHaveLength(1);
    const waiting = others.map((each) => each.work({ waitMs: 60_000 }));
    await settle();
    const timers = control.clock.waiting;
    control.clock.advance(4_999);
    await settle();
    expect(control.clock.waiting).toBe(timers);
    control.clock.advance(1);
    await settle();
    const won = await Promise.race(waiting);
    expect(won.claimed).toHaveLength(1);
  });

  it('goes on where it was after a restart', async () => {
    await control.queues.set('default', { rateLimit: { max: 1, perMs: 60_000 } });
    await submitMany(2);
    await worker.claim();
    const signals: string[] = [];
    control.signals.onReady((queue) => signals.push(queue));
    const scheduler = new Scheduler({ ...control, random: seededRandom(1), log: silentLog });
    scheduler.start();
    await settle();
    expect(await worker.claim()).toEqual([]);
    control.clock.advance(14_000);
    await control.workers.heartbeat(worker.id, worker.generation);
    for (let n = 0; n < 4; n++) {
      control.clock.advance(11_500);
      await settle();
      await control.workers.heartbeat(worker.id, worker.generation);
    }
    await settle();
    await scheduler.stop();
    expect(signals).toEqual(['default']);
    expect(await worker.claim()).toHaveLength(1);
  });

  it('counts a claim that is given back, and a full concurrency costs no token', async () => {
    await control.queues.set('default', { concurrencyMax: 1, rateLimit: { max: 2, perMs: 60_000 } });
    await submitMany(3);
    const [first] = await worker.claim(5);
    expect(await worker.claim(5)).toEqual([]);
    if (first === undefined) throw new Error('nothing was claimed');
    await worker.work({ want: 0, done: [endOf(first, { reason: null, exitCode: null })] });
    const [again] = await worker.claim(5);
    expect(again?.jobId).toBe(first.jobId);
    await worker.work({ want: 0, done: [endOf(again ?? first, { reason: null, exitCode: null })] });
    expect(await worker.claim(5)).toEqual([]);
  });

  it('begins with a full bucket when it is changed, not when something else is', async () => {
    await control.queues.set('default', { rateLimit: { max: 1, perMs: 60_000 } });
    await submitMany(4);
    expect(await worker.claim(5)).toHaveLength(1);
    await control.queues.set('default', { rateLimit: { max: 1, perMs: 60_000 }, concurrencyMax: 50 });
    expect(await worker.claim(5)).toEqual([]);
    await control.queues.set('default', { rateLimit: { max: 2, perMs: 60_000 } });
    expect(await worker.claim(5)).toHaveLength(2);
    await control.queues.set('default', {});
    expect(await worker.claim(5)).toHaveLength(1);
  });
});

describe('the rate of a key', () => {
  it('holds for each key by itself, and not for jobs without one', async () => {
    await control.queues.set('default', { rateLimitPerKey: { max: 2, perMs: 1_000 } });
    await submitMany(4, { concurrencyKey: 'a' });
    await submitMany(4, { concurrencyKey: 'b' });
    await submitMany(4);
    expect(await worker.claim(20)).toHaveLength(8);
    const waiting = (await control.queries.list({ state: 'pending' })).jobs.find(
      ({ spec }) => spec.concurrencyKey === 'a',
    );
    expect((await control.queries.get(waiting?.id ?? '')).waiting).toMatch(
      /starts at most 2 of the jobs with the key a in 1s; the next may start at /,
    );
    control.clock.advance(500);
    await control.scheduler.tick();
    const more = await worker.claim(20);
    expect(more.map(({ spec }) => spec.concurrencyKey).sort()).toEqual(['a', 'b']);
  });

  it('forgets full buckets, so that keys leave nothing behind', async () => {
    await control.queues.set('default', { rateLimitPerKey: { max: 1, perMs: 1_000 } });
    for (let n = 0; n < 50; n++) {
      await submit({ concurrencyKey: `key ${n}` });
      expect(await worker.claim(5)).toHaveLength(1);
      control.clock.advance(1_000);
      await control.workers.heartbeat(worker.id, worker.generation);
      await control.scheduler.tick();
    }
    const [rows] = await control.db.query({ sql: 'SELECT count(*) AS n FROM rates' });
    expect(rows?.['n']).toBeLessThanOrEqual(2);
  });

  it('is refused beside turns of tenants', async () => {
    const given = { fairBy: 'tenant', rateLimitPerKey: { max: 1, perMs: 1_000 } } as const;
    await expect(control.queues.set('default', given)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'fairBy' },
    });
  });
});

it('no rate is exceeded and no token is lost, in any order of commands', async () => {
  const step = fc.record({
    do: fc.constantFrom('submit', 'submit', 'claim', 'claim', 'pass', 'cancel', 'giveBack'),
    key: fc.constantFrom('a', 'b'),
    n: fc.integer({ min: 0, max: 5 }),
    ms: fc.integer({ min: 1, max: 400 }),
  });
  const rate = fc.option(
    fc.record({ max: fc.integer({ min: 1, max: 4 }), perMs: fc.integer({ min: 1, max: 997 }) }),
  );
  await fc.assert(
    fc.asyncProperty(
      rate,
      rate,
      fc.array(step, { maxLength: 50, size: 'max' }),
      async (perQueue, perKey, steps) => {
        const each = await openControl();
        const player = await TestWorker.join(each);
        await each.queues.set('default', { rateLimit: perQueue, rateLimitPerKey: perKey });
        const model = new Map<string, number>();
        for (const { do: what, key, n, ms } of steps) {
          const { jobs } = await each.queries.list({ state: 'pending' });
          if (what === 'submit') await each.jobs.submit({ ...trueJob, concurrencyKey: key });
          else if (what === 'cancel' && jobs[0] !== undefined) await each.jobs.cancel(jobs[0].id);
          else if (what === 'pass') {
            each.clock.advance(ms);
            await player.work({ want: 0 });
            await each.scheduler.tick();
          } else if (what === 'claim') {
            const now = each.clock.nowMs();
            const tokens = (place: string, limit: typeof perQueue): number =>
              limit === null ? 100 : tokensOf(model.get(place) ?? 0, now, limit);
            const ofKeys = ['a', 'b'].map((name) =>
              Math.min(tokens(name, perKey), jobs.filter(({ spec }) => spec.concurrencyKey === name).length),
            );
            const room = Math.min(n, tokens('', perQueue), (ofKeys[0] ?? 0) + (ofKeys[1] ?? 0));
            const claimed = n === 0 ? [] : await player.claim(n);
            expect(claimed).toHaveLength(room);
            for (const { spec, jobId, attempt } of claimed) {
              for (const [place, limit] of [
                ['', perQueue],
                [spec.concurrencyKey ?? '', perKey],
              ] as const)
                if (limit !== null)
                  model.set(place, Math.max(model.get(place) ?? 0, now * limit.max) + limit.perMs);
              const done = endOf({ jobId, attempt }, { reason: null, exitCode: null });
              if (n > 3) await player.work({ want: 0, done: [done] });
            }
          }
        }
        expect(await checkInvariants(each.db)).toEqual([]);
        await each.close();
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

/** `fullAt` is in units of 1/max ms; the numbers of a test clock are small enough for it. */
function tokensOf(fullAt: number, nowMs: number, { max, perMs }: { max: number; perMs: number }): number {
  const now = nowMs * max;
  return Math.floor((now + perMs * max - Math.max(fullAt, now)) / perMs);
}
