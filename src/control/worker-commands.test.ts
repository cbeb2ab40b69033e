import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaults } from '../domain/defaults.ts';
import { decideEnd } from '../domain/job.ts';
import { infraFailuresMax, limits } from '../domain/limits.ts';
import { defaultBackoff } from '../domain/retry.ts';
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

describe('register', () => {
  it('gives generations that grow, and a lease', async () => {
    const worker = new TestWorker(control);
    expect(await worker.register()).toEqual({
      generation: 1,
      leaseUntilMs: control.clock.nowMs() + defaults.leaseMs,
      heartbeatMs: defaults.heartbeatMs,
      requeued: [],
    });
    expect((await worker.register()).generation).toBe(2);
    const told = await control.queries.worker(worker.id);
    expect(told).toMatchObject({ state: 'online', generation: 2, queues: ['default'], held: 0 });
  });

  it('that is sent twice on its way makes one generation, which goes on', async () => {
    const registration = control.ids();
    const worker = await TestWorker.join(control, { registration });
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    expect(await worker.register({ registration })).toMatchObject({ generation: 1, requeued: [] });
    await control.workers.drain(worker.id);
    await worker.register({ registration });
    expect(await control.queries.worker(worker.id)).toMatchObject({ generation: 1, state: 'draining' });
    await worker.work({ done: [endOf(running)] });
    expect(await control.queries.get(id)).toMatchObject({ state: 'completed', attempt: 1 });
    expect((await worker.register({ registration: control.ids() })).generation).toBe(2);
  });

  it('that comes again when its lease has run out makes a new generation all the same', async () => {
    const registration = control.ids();
    const worker = await TestWorker.join(control, { registration });
    control.clock.advance(defaults.leaseMs);
    await control.scheduler.tick();
    expect(await worker.register({ registration })).toMatchObject({ generation: 2 });
    expect(await control.queries.worker(worker.id)).toMatchObject({ generation: 2, state: 'online' });
  });

  it('replaces what the worker told before', async () => {
    const worker = await TestWorker.join(control, {
      queues: ['a', 'a'],
      images: [
        { name: 'base', digest: 'sha256:1' },
        { name: 'base:latest', digest: 'sha256:1' },
      ],
    });
    expect((await control.queries.worker(worker.id)).queues).toEqual(['a']);
    expect((await control.queries.worker(worker.id)).images).toHaveLength(1);
    await worker.register({ name: 'new', slots: 9, images: [{ name: 'tools:v1', digest: 'sha256:2' }] });
    expect(await control.queries.worker(worker.id)).toMatchObject({
      name: 'new',
      slots: 9,
      queues: ['default'],
      images: [{ name: 'tools:v1', digest: 'sha256:2' }],
    });
  });

  it('puts back what the older generation held, and refuses what it says', async () => {
    const worker = await TestWorker.join(control);
    const jobs = [await control.jobs.submit(trueJob), await control.jobs.submit(trueJob)];
    const running = await worker.run();
    await worker.claim();
    const old = new TestWorker(control);
    Object.assign(old, { id: worker.id, generation: 1 });
    const { requeued } = await worker.register();
    expect([...requeued].sort()).toEqual(jobs.map(({ id }) => id).sort());
    for (const { id } of jobs) {
      expect(await control.queries.get(id)).toMatchObject({
        state: 'pending',
        reason: 'worker_lost',
        attemptsUsed: 0,
        infraFailures: 1,
        workerId: null,
      });
      expect(await control.queries.attempts(id)).toMatchObject([{ state: 'ended', reason: 'worker_lost' }]);
    }
    const fenced = { code: 'FENCED' };
    await expect(old.work({ done: [endOf(running)] })).rejects.toMatchObject(fenced);
    await expect(old.start(running)).rejects.toMatchObject(fenced);
    await expect(control.workers.heartbeat(worker.id, 1)).rejects.toMatchObject(fenced);
    await expect(control.workers.remove(worker.id, 1)).rejects.toMatchObject(fenced);
    expect(control.workers.staleWrites).toBe(4);
    expect(await control.queries.attempts(running.jobId)).toMatchObject([{ reason: 'worker_lost' }]);
  });

  it('forgets workers that were offline for long, so many at a time, and no other', async () => {
    const images = [{ name: 'base', digest: 'sha256:1' }];
    const first = await TestWorker.join(control, { images });
    const gone = [first];
    while (gone.length <= limits.offlineWorkersPerLook) gone.push(await TestWorker.join(control));
    for (const worker of gone) await control.workers.remove(worker.id);
    await control.clock.advance(defaults.retainWorkersMs - 1);
    const staying = await TestWorker.join(control);
    expect((await control.queries.workers()).length).toBe(gone.length + 1);
    await control.clock.advance(1);
    await staying.register();
    await expect(control.queries.worker(first.id)).rejects.toMatchObject({ code: 'WORKER_NOT_FOUND' });
    expect((await control.queries.workers()).map(({ state }) => state)).toEqual(['online', 'offline']);
    expect(await control.db.query({ sql: 'SELECT image FROM worker_images' })).toEqual([]);
    expect((await staying.register()).generation).toBe(3);
    expect(await control.queries.workers()).toMatchObject([{ id: staying.id }]);
    expect((await first.register()).generation).toBe(1);
  });

  it('decides about lost attempts as decideEnd does', async () => {
    const state = {
      cancelled: fc.boolean(),
      infraFailures: fc.integer({ min: 0, max: infraFailuresMax - 1 }),
    };
    await fc.assert(
      fc.asyncProperty(fc.record(state), async ({ cancelled, infraFailures }) => {
        const worker = await TestWorker.join(control);
        const { id } = await control.jobs.submit(trueJob);
        await worker.run();
        await control.db.batch([
          { sql: 'UPDATE jobs SET infra_failures = ? WHERE id = ?', args: [infraFailures, id] },
        ]);
        if (cancelled) await control.jobs.cancel(id);
        await worker.register();
        const { runAtMs: _, ...decided } = decideEnd(
          {
            attemptsUsed: 0,
            attemptsMax: 1,
            infraFailures,
            cancelRequested: cancelled,
            backoff: defaultBackoff,
          },
          { reason: 'worker_lost', exitCode: null },
          control.clock.nowMs(),
          0,
        );
        expect(await control.queries.get(id)).toMatchObject(decided);
        if (decided.state === 'pending') await control.jobs.cancel(id);
      }),
      { numRuns: 30 },
    );
  });
});

describe('startAttempt', () => {
  it('starts a claimed attempt, and the same again gives the same time', async () => {
    const worker = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    const [claimed] = await worker.claim();
    const attempt = claimed ?? { jobId: id, attempt: 1 };
    const startedAtMs = control.clock.nowMs();
    expect(await worker.start(attempt)).toEqual({ startedAtMs });
    control.clock.advance(50);
    expect(await worker.start(attempt)).toEqual({ startedAtMs });
    expect(await control.queries.get(id)).toMatchObject({
      state: 'running',
      startedAtMs,
      workerId: worker.id,
    });
  });

  it('refuses everybody else', async () => {
    const worker = await TestWorker.join(control);
    const other = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    const fenced = { code: 'FENCED' };
    await expect(other.start(running)).rejects.toMatchObject(fenced);
    await expect(worker.start({ jobId: id, attempt: 2 })).rejects.toMatchObject(fenced);
    await expect(worker.start({ jobId: control.ids(), attempt: 1 })).rejects.toMatchObject(fenced);
    await expect(control.workers.assertHolds(id, 1, other.holder)).rejects.toMatchObject(fenced);
    await control.workers.assertHolds(id, 1, worker.holder);
    await worker.work({ want: 0, done: [endOf(running)] });
    await expect(control.workers.assertHolds(id, 1, worker.holder)).rejects.toMatchObject(fenced);
    await expect(worker.start(running)).rejects.toMatchObject(fenced);
  });
});

describe('drain and remove', () => {
  it('gives a draining worker no job, and tells it at once', async () => {
    const worker = await TestWorker.join(control);
    const waiting = worker.work({ waitMs: 10_000 });
    await settle();
    expect(await control.workers.drain(worker.id)).toMatchObject({ state: 'draining' });
    expect(await waiting).toMatchObject({ state: 'draining', claimed: [] });
    await control.jobs.submit(trueJob);
    expect(await worker.work()).toMatchObject({ state: 'draining', claimed: [] });
    expect(await control.workers.heartbeat(worker.id, worker.generation)).toMatchObject({
      state: 'draining',
    });
    await worker.register();
    expect(await worker.claim()).toHaveLength(1);
  });

  it('does not let the late farewell of an older generation drain the newer one', async () => {
    const worker = await TestWorker.join(control);
    const old = worker.generation;
    await worker.register();
    await expect(control.workers.drain(worker.id, old)).rejects.toMatchObject({ code: 'FENCED' });
    expect(await control.queries.worker(worker.id)).toMatchObject({ state: 'online' });
    expect(await control.workers.drain(worker.id, worker.generation)).toMatchObject({ state: 'draining' });
  });

  it('lets a draining worker finish what it runs', async () => {
    const worker = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    await control.workers.drain(worker.id);
    await worker.work({ done: [endOf(running)] });
    expect(await control.queries.get(id)).toMatchObject({ state: 'completed' });
  });

  it('puts back the jobs of a worker that leaves; leaving again is fine', async () => {
    const worker = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    await worker.run();
    expect(await control.workers.remove(worker.id, worker.generation)).toMatchObject({
      state: 'offline',
      held: 0,
    });
    expect(await control.workers.remove(worker.id)).toMatchObject({ state: 'offline' });
    expect(await control.queries.get(id)).toMatchObject({ state: 'pending', reason: 'worker_lost' });
    await expect(worker.work()).rejects.toMatchObject({ code: 'FENCED' });
    expect(await control.workers.drain(worker.id)).toMatchObject({ state: 'offline' });
  });

  it('refuses unknown workers', async () => {
    const stranger = new TestWorker(control);
    const unknown = { code: 'WORKER_NOT_FOUND', details: { workerId: stranger.id } };
    await expect(stranger.work()).rejects.toMatchObject(unknown);
    await expect(control.workers.drain(stranger.id)).rejects.toMatchObject(unknown);
    await expect(control.workers.remove(stranger.id)).rejects.toMatchObject(unknown);
    await expect(control.workers.heartbeat(stranger.id, 1)).rejects.toMatchObject(unknown);
  });

  it('wakes another worker for what a leaving one held', async () => {
    const [leaving, staying] = [await TestWorker.join(control), await TestWorker.join(control)];
    const { id } = await control.jobs.submit(trueJob);
    await leaving.run();
    const waiting = staying.work({ waitMs: 10_000 });
    await settle();
    await control.workers.remove(leaving.id);
    expect((await waiting).claimed).toMatchObject([{ jobId: id, attempt: 2 }]);
  });
});

describe('tellImages', () => {
  const image = (name: string) => ({ name, digest: 'sha256:1' });

  it('replaces the images of a worker, which decide what may be submitted', async () => {
    const worker = await TestWorker.join(control, { images: [image('base')] });
    const tools = { ...trueJob, image: 'tools:v1' };
    await expect(control.jobs.submit(tools)).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' });
    const told = { generation: 1, images: [image('tools:v1'), image('base'), image('base:latest')] };
    for (let again = 0; again < 2; again++) await control.workers.tellImages(worker.id, told);
    expect((await control.queries.worker(worker.id)).images).toHaveLength(2);
    expect((await control.jobs.submit(tools)).state).toBe('pending');
    await control.workers.tellImages(worker.id, { generation: 1, images: [image('tools:v1')] });
    await expect(control.jobs.submit(trueJob)).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' });
    await control.workers.tellImages(worker.id, { generation: 1, images: [] });
    expect((await control.queries.worker(worker.id)).images).toEqual([]);
  });

  it('refuses an older generation and a stranger, and changes nothing for a worker that has left', async () => {
    const worker = await TestWorker.join(control, { images: [image('base')] });
    await worker.register({ images: [image('base')] });
    const tell = (id: string, generation: number) =>
      control.workers.tellImages(id, { generation, images: [image('other')] });
    await expect(tell(worker.id, 1)).rejects.toMatchObject({ code: 'FENCED' });
    await expect(tell(control.ids(), 1)).rejects.toMatchObject({ code: 'WORKER_NOT_FOUND' });
    await control.workers.remove(worker.id);
    await tell(worker.id, 2);
    expect((await control.queries.worker(worker.id)).images).toEqual([image('base')]);
  });
});
