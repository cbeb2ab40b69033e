import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaults } from '../../domain/defaults.ts';
import { limits } from '../../domain/limits.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from '../control.suite.ts';

let control: Control;
let worker: TestWorker;

beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control);
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

function submitMany(count: number, queue = 'default'): Promise<{ id: string }[]> {
  return Promise.all(Array.from({ length: count }, () => control.jobs.submit({ ...trueJob, queue })));
}

describe('claim', () => {
  it('gives the oldest jobs first, with their spec, as many as wanted', async () => {
    const [first, second] = await submitMany(3);
    const claimed = await worker.claim(2);
    expect(claimed.map(({ jobId }) => jobId)).toEqual([first?.id, second?.id]);
    expect(claimed[0]).toMatchObject({ attempt: 1, spec: { command: ['true'], queue: 'default' } });
    expect(await worker.claim(5)).toHaveLength(1);
    expect(await worker.claim(5)).toHaveLength(0);
  });

  it('made for nobody is told to its worker once in a lease, so that it can be given back', async () => {
    await submitMany(2);
    const [started] = await worker.claim();
    if (started !== undefined) await worker.start(started);
    // As when a call comes once more after its answer: what it claims reaches nobody.
    const [lost] = await worker.claim();
    expect((await worker.work({ want: 0 })).unstarted).toEqual([]);
    control.clock.advance(defaults.leaseMs);
    const { unstarted } = await worker.work({ want: 0 });
    expect(unstarted).toEqual([{ jobId: lost?.jobId, attempt: 1 }]);
    expect((await worker.work({ want: 0 })).unstarted).toEqual([]);
    await worker.work({
      want: 0,
      done: unstarted.map((claim) => endOf(claim, { reason: null, exitCode: null })),
    });
    expect(await worker.claim()).toMatchObject([{ jobId: lost?.jobId, attempt: 2 }]);
  });

  it('gives a call that is delivered twice the same answer twice, and claims once', async () => {
    await submitMany(3);
    const call = { token: control.ids(), want: 1 };
    const [one, other] = await Promise.all([worker.work(call), worker.work(call)]);
    expect(one.claimed).toHaveLength(1);
    expect(other).toEqual(one);
    const [claimed] = one.claimed;
    if (claimed === undefined) throw new Error('nothing claimed');
    await worker.start(claimed);
    await worker.work({ want: 0, done: [endOf(claimed)] });
    // Its worker has that answer, so a claim that a late copy made would be nobody's.
    expect(await worker.work(call)).toEqual(one);
    expect((await control.queries.stats()).jobs).toMatchObject([
      { state: 'completed', count: 1 },
      { state: 'pending', count: 2 },
    ]);
  });

  it('takes only queues it serves and executors it can run', async () => {
    await worker.register({
      queues: ['a', 'b'],
      executors: [
        { name: 'microvm', unavailable: 'VM manager is not available (SKIP_VM_MANAGER may be set)' },
        { name: 'process', unavailable: null },
      ],
    });
    await control.jobs.submit({ ...trueJob, queue: 'a' });
    const other = await control.jobs.submit({ ...trueJob, queue: 'b', executor: 'process' });
    await control.jobs.submit({ ...trueJob, queue: 'c', executor: 'process' });
    const last = await control.jobs.submit({ ...trueJob, queue: 'a', executor: 'process' });
    expect((await worker.claim(10)).map(({ jobId }) => jobId)).toEqual([other.id, last.id]);
  });

  it('goes through several queues by age, not one after the other', async () => {
    await worker.register({ queues: ['a', 'b'] });
    const ids: string[] = [];
    for (const queue of ['b', 'a', 'b', 'a']) {
      ids.push((await control.jobs.submit({ ...trueJob, queue })).id);
      control.clock.advance(1);
    }
    expect((await worker.claim(3)).map(({ jobId }) => jobId)).toEqual(ids.slice(0, 3));
  });

  it('gives each job to one of many workers that ask at once', async () => {
    const others = await Promise.all([1, 2, 3].map(() => TestWorker.join(control)));
    await submitMany(10);
    const claimed = await Promise.all([worker, ...others].map((each) => each.claim(4)));
    const ids = claimed.flat().map(({ jobId }) => jobId);
    expect(ids).toHaveLength(10);
    expect(new Set(ids).size).toBe(10);
  });

  it(`lets no worker hold more than ${limits.slotsMax} jobs`, async () => {
    await submitMany(limits.slotsMax + 5);
    expect(await worker.claim(limits.slotsMax - 1)).toHaveLength(limits.slotsMax - 1);
    expect(await worker.claim(10)).toHaveLength(1);
    expect(await worker.claim(10)).toHaveLength(0);
  });
});

describe('a repeated call', () => {
  it('gives the same claims again and claims nothing more', async () => {
    await submitMany(3);
    const token = control.ids();
    const first = await worker.work({ token, want: 2 });
    const again = await worker.work({ token, want: 2, repeat: true });
    expect(again.claimed).toEqual(first.claimed);
    const [one] = first.claimed;
    if (one !== undefined) await control.jobs.cancel(one.jobId);
    expect((await worker.work({ token, want: 2, repeat: true })).claimed).toEqual(first.claimed.slice(1));
  });

  it('claims when the first one never arrived', async () => {
    await submitMany(1);
    expect((await worker.work({ token: control.ids(), repeat: true })).claimed).toHaveLength(1);
  });

  it('takes ends told twice for what they are', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    const done = [endOf(running)];
    expect((await worker.work({ done })).fenced).toEqual([]);
    const events = await control.queries.events(id);
    expect((await worker.work({ done, repeat: true })).fenced).toEqual([]);
    expect(await control.queries.events(id)).toEqual(events);
    expect(control.workers.staleWrites).toBe(0);
  });
});

describe('a claim that found nothing', () => {
  const key = { concurrencyKey: 'k' };

  beforeEach(async () => {
    expect(await worker.claim(1)).toEqual([]);
  });

  it('is not made again until something is ready', async () => {
    const before = control.db.stats().statements;
    expect(await worker.claim(1)).toEqual([]);
    expect(control.db.stats().statements - before).toBe(1);
    const [job] = await submitMany(1);
    expect(await worker.claim(1)).toMatchObject([{ jobId: job?.id }]);
  });

  it('is made again when a key gets room', async () => {
    const other = await TestWorker.join(control);
    await control.queues.set('default', { concurrencyMaxPerKey: 1 });
    await control.jobs.submit({ ...trueJob, ...key });
    const held = await other.run();
    const next = await control.jobs.submit({ ...trueJob, ...key });
    expect(await worker.claim(1)).toEqual([]);
    await other.work({ want: 0, done: [endOf(held)] });
    expect(await worker.claim(1)).toMatchObject([{ jobId: next.id }]);
  });

  it('is made again when a parent releases its child', async () => {
    const other = await TestWorker.join(control);
    const parent = await control.jobs.submit(trueJob);
    const held = await other.run();
    const child = await control.jobs.submit({ ...trueJob, after: [parent.id] });
    expect(await worker.claim(1)).toEqual([]);
    await other.work({ want: 0, done: [endOf(held)] });
    await control.parentEnds.tellAll();
    expect(await worker.claim(1)).toMatchObject([{ jobId: child.id }]);
  });

  it('is made again when the queue has a rate or lines', async () => {
    await control.queues.set('default', { rateLimit: { max: 1, perMs: 1_000 } });
    await submitMany(2);
    expect(await worker.claim(2)).toHaveLength(1);
    expect(await worker.claim(2)).toEqual([]);
    control.clock.advance(1_000);
    expect(await worker.claim(2)).toHaveLength(1);
    await control.queues.set('default', { fairBy: 'tenant' });
    await submitMany(2 * limits.lineClaimMax);
    expect(await worker.claim(limits.slotsMax)).toHaveLength(limits.lineClaimMax);
    expect(await worker.claim(limits.slotsMax)).toHaveLength(limits.lineClaimMax);
  });
});
