import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SubmitJob } from '../../contract/job.ts';
import { limits } from '../../domain/limits.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from '../control.suite.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

type More = Partial<SubmitJob>;
const policies = ['existing', 'debounce'] as const;
type Policy = (typeof policies)[number];
const unique = (policy: Policy) => ({ unique: { key: 'nightly', policy } });
const ask = (policy: Policy, more: More = {}, key?: string) =>
  control.jobs.submit({ ...trueJob, ...unique(policy), ...more }, key);
/** The one that has the unique key. */
const hold = () => control.jobs.submit({ ...trueJob, unique: { key: 'nightly' } });
const countOf = async (): Promise<number> => (await control.queries.list({})).jobs.length;
const answers = async (): Promise<unknown> =>
  (await control.db.query({ sql: 'SELECT count(*) AS n FROM submit_answers' }))[0]?.['n'];

describe.each(policies)('a submit that %s answered with another job', (policy) => {
  it('is answered the same again with its key, whatever has become of that job', async () => {
    const holder = await hold();
    const first = await ask(policy, {}, 'order-7');
    expect(first.id).toBe(holder.id);
    control.clock.advance(1_000);
    expect(await ask(policy, {}, 'order-7')).toEqual(first);
    const worker = await TestWorker.join(control);
    const running = await worker.run();
    expect(await ask(policy, {}, 'order-7')).toMatchObject({ id: holder.id, state: 'running' });
    await worker.work({ want: 0, done: [endOf(running)] });
    expect(await ask(policy, {}, 'order-7')).toMatchObject({ id: holder.id, state: 'completed' });
    expect(await countOf()).toBe(1);
  });

  it('is answered the same again with its id, also after another has taken the unique key', async () => {
    const holder = await hold();
    const id = control.ids();
    expect((await ask(policy, { id })).id).toBe(holder.id);
    await control.jobs.cancel(holder.id);
    const next = await hold();
    expect(await ask(policy, { id })).toMatchObject({ id: holder.id, state: 'cancelled' });
    expect((await ask(policy)).id).toBe(next.id);
  });

  it('is refused with another body, and so is any other submit with its id or key', async () => {
    const holder = await hold();
    const id = control.ids();
    await ask(policy, { id }, 'order-7');
    const taken = { code: 'JOB_ID_CONFLICT', details: { jobId: id } };
    const used = { code: 'IDEMPOTENCY_CONFLICT', details: { key: 'order-7', jobId: holder.id } };
    const held = await control.queries.get(holder.id);
    for (const round of ['while it holds the unique key', 'when it has ended']) {
      for (const more of [
        { delayMs: 9 },
        { command: ['other'] },
        { unique: { key: 'nightly', policy: 'replace' } },
      ])
        for (const [given, key, conflict] of [
          [{ id }, undefined, taken],
          [{}, 'order-7', used],
        ] as const)
          await expect(ask(policy, { ...(more as More), ...given }, key), round).rejects.toMatchObject(
            conflict,
          );
      await expect(control.jobs.submit({ ...trueJob, id })).rejects.toMatchObject(taken);
      await expect(control.jobs.submit(trueJob, 'order-7')).rejects.toMatchObject(used);
      await expect(control.jobs.submitAll([trueJob, { ...trueJob, id }])).rejects.toMatchObject({
        details: { line: 2, code: 'JOB_ID_CONFLICT' },
      });
      expect(await countOf()).toBe(1);
      if (round.startsWith('while')) {
        expect(await control.queries.get(holder.id)).toEqual(held);
        await control.jobs.cancel(holder.id);
      }
    }
  });

  it('takes the names of a body in any order', async () => {
    const { id } = await hold();
    await ask(policy, { env: { A: '1', B: '2' }, labels: { a: '1', b: '2' } }, 'k');
    expect((await ask(policy, { labels: { b: '2', a: '1' }, env: { B: '2', A: '1' } }, 'k')).id).toBe(id);
  });

  it('is one of many at once that come with the same key', async () => {
    const [first, ...others] = await Promise.all(Array.from({ length: 50 }, () => ask(policy, {}, 'k')));
    for (const other of others) expect(other.id).toBe(first?.id);
    expect(await countOf()).toBe(1);
    // The first has stored its own job.
    expect(await answers()).toBe(0);
    const asked = await Promise.all(Array.from({ length: 50 }, () => ask(policy, {}, 'l')));
    expect(new Set(asked.map(({ id }) => id))).toEqual(new Set([first?.id]));
    expect(await answers()).toBe(1);
  });

  it('is forgotten with that job', async () => {
    const holder = await hold();
    const id = control.ids();
    await ask(policy, { id });
    await ask(policy, {}, 'k');
    await control.jobs.cancel(holder.id);
    expect(await answers()).toBe(2);
    await control.forget.purge('default', {});
    expect(await answers()).toBe(0);
    expect(await ask(policy, { id })).toMatchObject({ id, state: 'pending' });
  });
});

it('a debounce that is sent again moves nothing', async () => {
  const { id } = await hold();
  const given = { id: control.ids(), delayMs: 5_000 };
  const moved = await ask('debounce', given);
  expect(moved).toMatchObject({ id, state: 'scheduled', runAtMs: control.clock.nowMs() + 5_000 });
  control.clock.advance(1_000);
  expect(await ask('debounce', given)).toEqual(moved);
  expect(await ask('debounce', { ...given, id: control.ids() })).toMatchObject({
    runAtMs: control.clock.nowMs() + 5_000,
  });
});

it('a submit that was refused has used up neither id nor key', async () => {
  const holder = await hold();
  const id = control.ids();
  await (await TestWorker.join(control)).claim();
  const again = { ...trueJob, id, unique: { key: 'nightly', policy: 'debounce' as const } };
  await expect(control.jobs.submit(again, 'k')).rejects.toMatchObject({ code: 'UNIQUE_CONFLICT' });
  await expect(control.jobs.submit({ ...again, unique: { key: 'nightly' } }, 'k')).rejects.toMatchObject({
    code: 'UNIQUE_CONFLICT',
  });
  expect(await answers()).toBe(0);
  expect(
    (await control.jobs.submit({ ...again, unique: { key: 'nightly', policy: 'existing' } }, 'k')).id,
  ).toBe(holder.id);
});

it('a debounce for an image nobody has is refused, and leaves no answer', async () => {
  await hold();
  await TestWorker.join(control, { images: [{ name: 'base', digest: 'sha256:1' }] });
  await expect(ask('debounce', { image: 'absent' }, 'k')).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' });
  expect(await answers()).toBe(0);
});

it('of each job the newest answers are kept', async () => {
  await hold();
  const kept = async () =>
    (await control.db.query({ sql: 'SELECT submit_key FROM submit_answers ORDER BY place' })).map(
      (row) => row['submit_key'],
    );
  await ask('existing', {}, 'first');
  await ask('existing', {}, 'second');
  // As if so many had come between them.
  await control.db.batch([
    {
      sql: "UPDATE submit_answers SET place = ? WHERE submit_key = 'second'",
      args: [limits.answersPerJob],
    },
  ]);
  expect(await checkInvariants(control.db)).toEqual([]);
  expect(await kept()).toEqual(['first', 'second']);
  await ask('existing', {}, 'third');
  expect(await kept()).toEqual(['second', 'third']);
});

it('answers that name a job that is gone count for nothing, and go with its logs', async () => {
  const holder = await hold();
  const id = control.ids();
  const body = { ...trueJob, id, ...unique('existing') };
  await control.jobs.submit(body, 'k');
  await control.jobs.cancel(holder.id);
  const remove = vi.spyOn(control.logs, 'remove').mockRejectedValueOnce(new Error('the disk says no'));
  await expect(control.forget.remove(holder.id)).rejects.toThrow('the disk says no');
  expect(await answers()).toBe(1);
  expect(await checkInvariants(control.db)).toEqual([]);
  expect(await control.jobs.submit(body, 'k')).toMatchObject({ id, state: 'pending' });
  expect((await ask('existing', {}, 'l')).id).toBe(id);
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.forget.forgetDue();
  remove.mockRestore();
  expect(await answers()).toBe(1);
  expect((await ask('existing', {}, 'l')).id).toBe(id);
});

it('more answers than are forgotten at once are all forgotten', async () => {
  const { id } = await hold();
  const count = 2 * limits.answersPerStep + 1;
  await control.db.batch([
    {
      sql: `INSERT INTO submit_answers (submit_id, job_id, place, digest)
            SELECT 'x' || key, ?, key, 'd' FROM json_each(?)`,
      args: [id, JSON.stringify(Array(count).fill(0))],
    },
  ]);
  await control.jobs.cancel(id);
  await control.forget.remove(id);
  expect(await answers()).toBe(0);
  expect(await control.db.query({ sql: 'SELECT * FROM logs_to_remove' })).toEqual([]);
});

it('answers stand after a restart', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-answers-'));
  const file = join(dir, 'blixard.db');
  const before = await openControl(2, file);
  const { id } = await before.jobs.submit({ ...trueJob, unique: { key: 'nightly' } });
  await before.jobs.submit({ ...trueJob, ...unique('existing') }, 'k');
  await before.jobs.cancel(id);
  await before.close();
  const after = await openControl(3, file);
  try {
    expect(await after.jobs.submit({ ...trueJob, ...unique('existing') }, 'k')).toMatchObject({
      id,
      state: 'cancelled',
    });
    expect(await checkInvariants(after.db)).toEqual([]);
  } finally {
    await after.close();
    await rm(dir, { recursive: true });
  }
});
