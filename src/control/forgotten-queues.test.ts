import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaults } from '../domain/defaults.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { text } from '../store/statements/columns.ts';
import { type Control, openControl, trueJob } from './control.suite.ts';
import { QueueQueries } from './queue-queries.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

async function submit(queue: string): Promise<string> {
  return (await control.jobs.submit({ ...trueJob, queue })).id;
}

/** A job of this queue that was cancelled and forgotten. */
async function forgotten(queue: string): Promise<void> {
  const id = await submit(queue);
  await control.jobs.cancel(id);
  await control.forget.remove(id);
}

/** Time passes until all events until now are old, and one is told that is not. */
async function eventsAge(): Promise<void> {
  control.clock.advance(defaults.retainEventsMs + 1);
  await submit('young');
  await control.forget.forgetDue();
}

/** Queues of which the store keeps totals, be they nothing but zeros. */
async function counted(): Promise<string[]> {
  const rows = await control.db.query({ sql: 'SELECT queue FROM queue_counts ORDER BY queue' });
  return rows.map((row) => text(row, 'queue'));
}

describe('a queue whose jobs are all forgotten', () => {
  it('leaves no row behind: a name for each branch does not make the store slower for ever', async () => {
    for (let n = 0; n < 10; n++) await forgotten(`branch-${n}`);
    await eventsAge();
    expect(await counted()).toEqual(['young']);
  });

  it('is known for as long as events are kept', async () => {
    const queues = new QueueQueries(control);
    await forgotten('branch');
    await control.forget.forgetDue();
    await expect(queues.assertKnown('branch')).resolves.toBeUndefined();
    await eventsAge();
    await expect(queues.assertKnown('branch')).rejects.toMatchObject({ code: 'QUEUE_NOT_FOUND' });
  });

  it('is counted right when it has a job again', async () => {
    await forgotten('before');
    await submit('before');
    await forgotten('after');
    await eventsAge();
    await submit('after');
    expect(await counted()).toEqual(['after', 'before', 'young']);
  });
});
