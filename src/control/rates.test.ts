import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../contract/job.ts';
import type { AttemptDone, ClaimedJob } from '../contract/worker.ts';
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

const givenBack = (claimed: ClaimedJob): AttemptDone => endOf(claimed, { reason: null, exitCode: null });

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

  it('a full concurrency costs no token', async () => {
    await control.queues.set('default', { concurrencyMax: 1, rateLimit: { max: 2, perMs: 60_000 } });
    await submitMany(3);
    const first = await worker.run();
    expect(await worker.claim(5)).toEqual([]);
    await worker.work({ want: 0, done: [endOf(first)] });
    expect(await worker.claim(5)).toHaveLength(1);
  });

  it('a claim that is given back unstarted gives its token back, to whoever waits for one', async () => {
    await control.queues.set('default', { rateLimit: { max: 2, perMs: 60_000 } });
    control.clock.advance(1);
    await submitMany(4);
    const first = await worker.claim(5);
    expect(first).toHaveLength(2);
    const other = await TestWorker.join(control);
    const waiting = other.work({ want: 2, waitMs: 60_000 });
    await settle();
    const [kept, back] = first;
    if (kept === undefined || back === undefined) throw new Error('nothing was claimed');
    await worker.work({ want: 0, done: [givenBack(back)] });
    const [again] = (await waiting).claimed;
    expect(again?.jobId).toBe(back.jobId);
    expect(await other.claim(5)).toEqual([]);
    // Sent again, it gives nothing back a second time.
    await worker.work({ want: 0, done: [givenBack(back)] });
    expect(await other.claim(5)).toEqual([]);
  });

  it('but no more of it than has not flowed in since', async () => {
    await control.queues.set('default', { rateLimit: { max: 2, perMs: 60_000 } });
    control.clock.advance(1);
    await submitMany(5);
    const [first] = await worker.claim(1);
    if (first === undefined) throw new Error('nothing was claimed');
    control.clock.advance(20_000);
    expect(await worker.claim(1)).toHaveLength(1);
    control.clock.advance(20_000);
    await worker.work({ want: 0, done: [givenBack(first)] });
    expect(await worker.claim(5)).toHaveLength(1);
  });

  it('and nothing of one that was taken before the rate was changed', async () => {
    await control.queues.set('default', { rateLimit: { max: 1, perMs: 60_000 } });
    control.clock.advance(1);
    await submitMany(3);
    const [before] = await worker.claim(5);
    if (before === undefined) throw new Error('nothing was claimed');
    await control.queues.set('default', { rateLimit: { max: 1, perMs: 30_000 } });
    control.clock.advance(1);
    expect(await worker.claim(5)).toHaveLength(1);
    await worker.work({ want: 0, done: [givenBack(before)] });
    expect(await worker.claim(5)).toEqual([]);
  });

  it('one that is lost with its worker keeps its token: it may have started', async () => {
    await control.queues.set('default', { rateLimit: { max: 1, perMs: 60_000 } });
    control.clock.advance(1);
    await submitMany(2);
    await worker.claim(1);
    await worker.register();
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
        each.clock.advance(1);
        const model = new Map<string, number>();
        const placesOf = (key = '') =>
          [['', perQueue] as const, [key, perKey] as const].flatMap(([place, limit]) =>
            limit === null ? [] : [[place, limit] as const],
          );
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
            for (const { spec } of claimed)
              for (const [place, limit] of placesOf(spec.concurrencyKey))
                model.set(place, Math.max(model.get(place) ?? 0, now * limit.max) + limit.perMs);
            for (const back of n > 3 ? claimed : []) {
              if (n > 4) each.clock.advance(ms);
              await player.work({ want: 0, done: [givenBack(back)] });
              for (const [place, limit] of placesOf(back.spec.concurrencyKey)) {
                const flowedIn = (each.clock.nowMs() - now) * limit.max;
                model.set(place, (model.get(place) ?? 0) - Math.max(0, limit.perMs - flowedIn));
              }
            }
            await each.scheduler.tick();
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
