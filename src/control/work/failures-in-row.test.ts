import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Control, endOf, openControl, TestWorker, trueJob } from '../control.suite.ts';

let control: Control;
let worker: TestWorker;

beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control);
});

afterEach(() => control.close());

it('a running job that ends with 0 after a lost worker has no failures of workers in a row', async () => {
  const { id } = await control.jobs.submit(trueJob);
  await worker.claim();
  await worker.register();
  expect(await control.queries.get(id)).toMatchObject({ infraFailures: 1 });
  await worker.work({ want: 0, done: [endOf(await worker.run())] });
  expect(await control.queries.get(id)).toMatchObject({ state: 'completed', attempt: 2, infraFailures: 0 });
});

it('nor has one whose start is told with its end', async () => {
  const { id } = await control.jobs.submit(trueJob);
  await worker.claim();
  await control.workers.remove(worker.id);
  const other = await TestWorker.join(control);
  const startedAtMs = control.clock.nowMs();
  const claimed = await other.claim();
  await other.work({ want: 0, done: claimed.map((job) => endOf(job, { startedAtMs })) });
  expect(await control.queries.get(id)).toMatchObject({ state: 'completed', attempt: 2, infraFailures: 0 });
});
