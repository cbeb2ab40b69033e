import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SetQueue } from '../contract/queue.ts';
import type { ClaimedJob } from '../contract/worker.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from './control.suite.ts';

const minute = 60_000;

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

const set = async (settings: SetQueue): Promise<void> => {
  await control.queues.set('default', settings);
  control.clock.advance(1);
};
const submit = async (count: number, concurrencyKey?: string): Promise<void> => {
  const job = { ...trueJob, ...(concurrencyKey !== undefined && { concurrencyKey }) };
  await control.jobs.submitAll(Array.from({ length: count }, () => job));
};
const giveBack = ({ jobId, attempt }: ClaimedJob) =>
  worker.work({ want: 0, done: [endOf({ jobId, attempt }, { reason: null, exitCode: null })] });
/** Time that no lease ends in, and a look of the scheduler. */
const pass = async (ms: number): Promise<void> => {
  control.clock.advance(ms);
  await worker.work({ want: 0 });
  await control.scheduler.tick();
};
/** The keys of jobs that are claimed one by one. */
const serve = async (count: number): Promise<string> => {
  let keys = '';
  for (let n = 0; n < count; n++)
    for (const { spec } of await worker.claim(1)) keys += spec.concurrencyKey ?? '-';
  return keys;
};

describe('a rate that stays as it is', () => {
  it('has the token of a claim that is given back, whatever else was set in between', async () => {
    await set({ rateLimit: { max: 2, perMs: minute } });
    await submit(5);
    const [first, second] = await worker.claim(2);
    if (first === undefined || second === undefined) throw new Error('nothing was claimed');
    await control.queues.pause('default');
    await control.queues.resume('default');
    await giveBack(first);
    expect(await worker.claim(5)).toHaveLength(1);
    await set({ rateLimit: { max: 2, perMs: minute }, rateLimitPerKey: { max: 1, perMs: minute } });
    await giveBack(second);
    expect(await worker.claim(5)).toHaveLength(1);
  });

  it('has no more tokens when the rate of each key is changed', async () => {
    const rateLimit = { max: 2, perMs: minute };
    await set({ rateLimit });
    await submit(9);
    expect(await worker.claim(5)).toHaveLength(2);
    await set({ rateLimit, rateLimitPerKey: { max: 3, perMs: minute } });
    expect(await worker.claim(5)).toEqual([]);
  });

  it('of each key, neither when that of the queue is', async () => {
    const rateLimitPerKey = { max: 1, perMs: minute };
    await set({ rateLimitPerKey });
    await submit(3, 'a');
    expect(await worker.claim(5)).toHaveLength(1);
    await set({ rateLimit: { max: 9, perMs: minute }, rateLimitPerKey });
    expect(await worker.claim(5)).toEqual([]);
  });
});

describe('a key without tokens saves no turns', () => {
  it('beside another that had its tokens meanwhile', async () => {
    await set({ rateLimitPerKey: { max: 20, perMs: 20_000 } });
    await submit(60, 'a');
    expect(await serve(30)).toBe('a'.repeat(20));
    await submit(60, 'b');
    expect(await serve(30)).toBe('b'.repeat(20));
    control.clock.advance(500);
    await submit(60, 'c');
    expect(await serve(30)).toBe('c'.repeat(20));
    await pass(500);
    await pass(10_000);
    const served = await serve(12);
    for (const key of 'abc') expect([...served].filter((one) => one === key)).toHaveLength(4);
  });

  it('nor when its rate is taken away', async () => {
    await set({ rateLimitPerKey: { max: 1, perMs: minute } });
    await submit(30, 'a');
    await submit(60);
    expect(await serve(31)).toMatch(/^a?-+a?-+$/);
    await set({ fairBy: 'key' });
    expect([...(await serve(10))].sort().join('')).toBe('-----aaaaa');
  });

  it('nor do those that come while none has tokens', async () => {
    await set({ rateLimitPerKey: { max: 20, perMs: 20_000 } });
    await submit(60, 'a');
    await serve(20);
    await pass(500);
    await submit(60, 'b');
    await serve(20);
    control.clock.advance(100);
    await submit(60, 'c');
    await pass(10_000);
    expect([...(await serve(9))].sort().join('')).toBe('aaabbbccc');
  });
});
