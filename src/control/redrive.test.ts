import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from './control.suite.ts';

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

const plain = (count: number): object[] => Array.from({ length: count }, () => ({}));

const idsOf = (claimed: readonly { jobId: string }[]): string[] => claimed.map(({ jobId }) => jobId);

describe('redrive', () => {
  const fail = async (jobs: readonly object[], reason: 'exit' | 'timeout' = 'exit'): Promise<string[]> => {
    const worker = await TestWorker.join(control);
    const ids: string[] = [];
    for (const job of jobs) ids.push(await submit(job));
    const claimed = await worker.claim(jobs.length);
    for (const each of claimed) await worker.start(each);
    await worker.work({
      want: 0,
      done: claimed.map((each) => endOf(each, { reason, exitCode: reason === 'exit' ? 3 : null })),
    });
    return ids;
  };

  it('puts failed jobs back, some, all of a reason, those named', async () => {
    const ids = [...(await fail(plain(4))), ...(await fail(plain(2), 'timeout'))];
    expect(await control.queues.redrive('default', { limit: 1 })).toEqual({ redriven: 1, more: true });
    expect(await control.queries.get(ids[0] ?? '')).toMatchObject({ state: 'pending', attemptsUsed: 0 });
    expect(await control.queues.redrive('default', { reason: 'timeout' })).toEqual({
      redriven: 2,
      more: false,
    });
    const named = [ids[3] ?? '', ids[0] ?? '', control.ids()];
    expect(await control.queues.redrive('default', { ids: named })).toEqual({ redriven: 1, more: false });
    expect(await control.queues.redrive('default', {})).toEqual({ redriven: 2, more: false });
    expect(await control.queues.redrive('default', {})).toEqual({ redriven: 0, more: false });
    expect(await control.queues.redrive('other', { ids })).toEqual({ redriven: 0, more: false });
  });

  it('of named jobs that comes again puts none back twice, and answers the same', async () => {
    const ids = await fail(plain(3));
    const named = { ids: [...ids.slice(0, 2), ids[0] ?? ''] };
    const once = () => control.queues.redrive('default', named, 'k');
    expect(await once()).toEqual({ redriven: 2, more: false });
    const worker = await TestWorker.join(control);
    for (let n = 0; n < 2; n++)
      await worker.work({ want: 0, done: [endOf(await worker.run(), { exitCode: 3 })] });
    expect(await once()).toEqual({ redriven: 2, more: false });
    expect((await control.queries.get(ids[0] ?? '')).state).toBe('failed');
    expect(await control.queues.redrive('default', named, 'l')).toEqual({ redriven: 2, more: false });
    await expect(control.queues.redrive('default', {}, 'k')).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'idempotency-key' },
    });
  });

  it('puts one job of a unique key back, and none while another has the key', async () => {
    const worker = await TestWorker.join(control);
    const ids: string[] = [];
    for (let n = 0; n < 2; n++) {
      ids.push(await submit({ unique: { key: 'nightly' } }));
      await worker.work({ want: 0, done: [endOf(await worker.run(), { exitCode: 1 })] });
    }
    expect(await control.queues.redrive('default', {})).toEqual({ redriven: 1, more: false });
    expect(await control.queues.redrive('default', {})).toEqual({ redriven: 0, more: false });
    expect((await control.queries.get(ids[1] ?? '')).state).toBe('failed');
  });

  it.each([{}, { reason: 'exit' as const }])(
    'goes past those whose unique key is taken, with %o',
    async (which) => {
      const keyed = { unique: { key: 'nightly' } };
      const [oldest] = [...(await fail([keyed])), ...(await fail([keyed])), ...(await fail(plain(2)))];
      const holder = await submit({ ...keyed, delayMs: 60_000 });
      const step = () => control.queues.redrive('default', { ...which, limit: 1 });
      expect(await step()).toEqual({ redriven: 1, more: true });
      expect(await step()).toEqual({ redriven: 1, more: false });
      expect(await step()).toEqual({ redriven: 0, more: false });
      await control.jobs.cancel(holder);
      expect(await step()).toEqual({ redriven: 1, more: false });
      expect((await control.queries.get(oldest ?? '')).state).toBe('pending');
    },
  );

  it('goes past more of them than it looks at in one step', async () => {
    const keyed = Array.from({ length: limits.jobsPerStep + 1 }, (_, n) => ({ unique: { key: `k${n}` } }));
    await fail(keyed);
    const later = keyed.map((each) => ({ ...trueJob, ...each, delayMs: 60_000 }));
    for (const part of [later.slice(1), later.slice(0, 1)]) await control.jobs.submitAll(part);
    const [last] = await fail(plain(1));
    expect(await control.queues.redrive('default', {})).toEqual({ redriven: 1, more: false });
    expect((await control.queries.get(last ?? '')).state).toBe('pending');
  });

  it('wakes a worker that waits', async () => {
    const [id] = await fail(plain(1));
    const worker = await TestWorker.join(control);
    const waiting = worker.work({ waitMs: 30_000 });
    await settle();
    await control.queues.redrive('default', {});
    expect(idsOf((await waiting).claimed)).toEqual([id]);
  });

  it('does no more in one step than it may', async () => {
    await fail(plain(limits.jobsPerStep));
    await fail(plain(1));
    expect(await control.queues.redrive('default', {})).toEqual({ redriven: limits.jobsPerStep, more: true });
    expect(await control.queues.redrive('default', {})).toEqual({ redriven: 1, more: false });
  });
});
