import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from './control.suite.ts';

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

it('a queue that is deleted is as if nobody had set it, and its ended jobs stay', async () => {
  const { queues, queueQueries } = control;
  const worker = await TestWorker.join(control);
  const rateLimit = { max: 1, perMs: 3_600_000 };
  const set = await queues.set('default', { rateLimit, retention: { completedMs: null } });
  const ended = await submit();
  await worker.work({ done: [endOf(await worker.run())] });
  await queues.pause('default');
  const deleted = await queues.delete('default');
  expect(deleted).toMatchObject({ ...set, paused: true, counts: { completed: 1 } });
  expect(await queueQueries.get('default')).toMatchObject({
    ...{ paused: false, rateLimit: null, counts: { completed: 1 }, updatedAtMs: null },
    retention: { completedMs: 7 * 86_400_000 },
  });
  expect((await control.queries.get(ended)).state).toBe('completed');
  const told = await control.db.query({ sql: "SELECT data FROM events WHERE kind = 'queue.deleted'" });
  expect(told).toEqual([{ data: '{"queue":"default"}' }]);
  // Nothing is left of its bucket either.
  await queues.set('default', { rateLimit });
  await submit();
  expect(await worker.claim(2)).toHaveLength(1);
});

it('a queue is not deleted while a job of it has not ended, or a schedule submits to it', async () => {
  const { queues, schedules } = control;
  const worker = await TestWorker.join(control);
  await queues.set('default', { concurrencyMax: 2 });
  await submit();
  await submit({ delayMs: 1_000 });
  await schedules.set('nightly', { cron: '0 3 * * *', job: trueJob });
  await schedules.set('other', { cron: '0 3 * * *', job: { ...trueJob, queue: 'other' } });
  await expect(queues.delete('default')).rejects.toMatchObject({
    code: 'QUEUE_IN_USE',
    message: expect.stringMatching(
      /use: it has jobs that have not ended \(1 pending, 1 scheduled\) and schedules submit to it \(nightly\)\.$/,
    ) as string,
  });
  const running = await worker.run();
  for (const { id } of (await control.queries.list({ state: 'scheduled' })).jobs)
    await control.jobs.cancel(id);
  await expect(queues.delete('default')).rejects.toThrow(/\(1 running\)/);
  await worker.work({ done: [endOf(running)] });
  await expect(queues.delete('default')).rejects.toThrow(/in use: schedules submit to it \(nightly\)\./);
  await schedules.delete('nightly');
  expect((await queues.delete('default')).concurrencyMax).toBe(2);
  const told = await control.db.query({ sql: "SELECT 1 AS x FROM events WHERE kind = 'queue.deleted'" });
  expect(told).toHaveLength(1);
});

it('a queue without settings stays as it is, and one that is not there is told', async () => {
  const { queues } = control;
  const worker = await TestWorker.join(control);
  await submit();
  await worker.work({ done: [endOf(await worker.run())] });
  expect(await queues.delete('default')).toMatchObject({ updatedAtMs: null, counts: { completed: 1 } });
  await expect(queues.delete('typo')).rejects.toMatchObject({ code: 'QUEUE_NOT_FOUND' });
  await queues.set('made', {});
  await queues.delete('made');
  await expect(queues.delete('made')).rejects.toMatchObject({ code: 'QUEUE_NOT_FOUND' });
});

it('the verifier finds a queue whose settings are there after they were told as deleted', async () => {
  await control.queues.set('default', {});
  const tell = (kind: string) => ({
    sql: `INSERT INTO events (at_ms, kind, data) VALUES (1, '${kind}', '{"queue":"default","paused":0}')`,
  });
  await control.db.batch([tell('queue.deleted')]);
  expect(await checkInvariants(control.db)).toEqual([
    expect.stringMatching(/^I9: the events of a queue lead elsewhere: queue default is /),
  ]);
  await control.db.batch([tell('queue.changed')]);
});

it('a pause or a resume tells whether it has made the queue', async () => {
  const { queues } = control;
  expect((await queues.pause('typo')).isNew).toBe(true);
  expect(await queues.pause('typo')).not.toHaveProperty('isNew');
  await submit();
  expect(await queues.pause('default')).not.toHaveProperty('isNew');
  expect((await queues.resume('another')).isNew).toBe(true);
});
