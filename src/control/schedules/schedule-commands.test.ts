import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';
import { cursorOf } from '../cursor.ts';
import { everyMinute, firedSlots, pass } from './schedules.suite.ts';

const minute = 60_000;
const hour = 60 * minute;
const nightly = { cron: '0 3 * * *', timeZone: 'Europe/Berlin', job: trueJob };

let control: Control;
beforeEach(async () => {
  control = await openControl();
  control.clock.advance(Date.parse('2026-01-01T00:00:30Z') - control.clock.nowMs());
});
afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const iso = (timeMs: number | null): string => new Date(timeMs ?? Number.NaN).toISOString().slice(0, 16);

describe('set', () => {
  it('makes a schedule, with what was not said filled in, and tells its next slots', async () => {
    const schedule = await control.schedules.set('nightly', nightly);
    expect(schedule).toMatchObject({
      ...{ name: 'nightly', version: 1, paused: false, fired: 0, lastSlotMs: null, lastJobId: null },
      ...{ catchUp: 'one', catchUpMax: 10, overlap: 'queue' },
    });
    expect(schedule.nextSlotsMs.map(iso)).toEqual([
      '2026-01-01T02:00',
      '2026-01-02T02:00',
      '2026-01-03T02:00',
    ]);
    expect(schedule.nextAtMs).toBe(schedule.nextSlotsMs[0]);
  });

  it('changes nothing when it says what is so already', async () => {
    const first = await control.schedules.set('nightly', nightly);
    control.clock.advance(hour);
    const before = control.db.stats().commits;
    expect(await control.schedules.set('nightly', { ...nightly, overlap: 'queue' })).toEqual(first);
    expect(control.db.stats().commits).toBe(before);
  });

  it('moves the next slot to another time zone or expression, and leaves it for any other change', async () => {
    await control.schedules.set('nightly', nightly);
    const moved = await control.schedules.set('nightly', { ...nightly, timeZone: 'America/New_York' });
    expect([moved.version, iso(moved.nextAtMs)]).toEqual([2, '2026-01-01T08:00']);
    const other = await control.schedules.set('nightly', { ...nightly, cron: '30 4 * * *' });
    expect([other.version, iso(other.nextAtMs)]).toEqual([3, '2026-01-01T03:30']);
    const job = { command: ['false'] };
    const same = await control.schedules.set('nightly', { ...nightly, cron: '30 4 * * *', job });
    expect([same.version, same.nextAtMs, same.job]).toEqual([4, other.nextAtMs, job]);
  });

  it('does not fire a slot again that another expression names, too', async () => {
    control.scheduleRunner.start();
    await settle();
    await control.schedules.set('tick', everyMinute);
    await pass(control, minute);
    await control.schedules.set('tick', { ...everyMinute, cron: '*/1 * * * *' });
    await pass(control, minute);
    expect(await firedSlots(control)).toEqual(['2026-01-01T00:01:00', '2026-01-01T00:02:00']);
  });

  it('keeps a pause unless it says otherwise', async () => {
    await control.schedules.set('nightly', { ...nightly, paused: true });
    expect(await control.schedules.set('nightly', { ...nightly, overlap: 'skip' })).toMatchObject({
      ...{ paused: true, nextAtMs: null, nextSlotsMs: [] },
    });
    expect((await control.schedules.set('nightly', { ...nightly, paused: false })).nextAtMs).not.toBeNull();
  });

  it('with a version changes just that one', async () => {
    await expect(control.schedules.set('nightly', { ...nightly, version: 1 })).rejects.toMatchObject({
      code: 'SCHEDULE_CHANGED',
      details: { found: 0, version: 1 },
    });
    const made = await control.schedules.set('nightly', { ...nightly, version: 0 });
    // Sent again because its answer was lost.
    expect(await control.schedules.set('nightly', { ...nightly, version: 0 })).toEqual(made);
    const other = { ...nightly, overlap: 'skip' as const, version: 0 };
    await expect(control.schedules.set('nightly', other)).rejects.toThrow(
      'Schedule nightly has version 1, not 0.',
    );
    const changed = await control.schedules.set('nightly', { ...nightly, overlap: 'skip', version: 1 });
    expect(changed.version).toBe(2);
  });

  it('by many at once loses no change', async () => {
    await control.schedules.set('nightly', nightly);
    const ends = await Promise.allSettled(
      [1, 2, 3].map((n) => control.schedules.set('nightly', { ...nightly, catchUpMax: n })),
    );
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    expect((await control.schedules.get('nightly')).version).toBe(4);
  });

  it('refuses what could never fire', async () => {
    const set = (over: object) => control.schedules.set('x', { ...nightly, ...over });
    await expect(set({ cron: '0 0 30 2 *' })).rejects.toThrow('this one never does');
    await expect(set({ cron: '99 * * * *' })).rejects.toMatchObject({ details: { field: 'cron' } });
    await expect(set({ timeZone: 'Mars/X' })).rejects.toMatchObject({ details: { field: 'timeZone' } });
    const images = [{ name: 'base:latest', digest: `sha256:${'0'.repeat(64)}` }];
    await TestWorker.join(control, { images });
    await expect(set({ job: { command: ['true'], image: 'no' } })).rejects.toMatchObject({
      code: 'IMAGE_UNKNOWN',
    });
    const env = Object.fromEntries(Array.from({ length: 3 }, (_, n) => [`E${n}`, 'x'.repeat(100_000)]));
    await expect(set({ job: { command: ['true'], env } })).rejects.toMatchObject({ code: 'SPEC_TOO_LARGE' });
  });
});

describe('pause and resume', () => {
  it('fires nothing in between, and makes up for nothing', async () => {
    control.scheduleRunner.start();
    await settle();
    await control.schedules.set('tick', { ...everyMinute, catchUp: 'all' });
    expect(await control.schedules.pause('tick')).toMatchObject({ paused: true, nextAtMs: null, version: 2 });
    expect(await control.schedules.pause('tick')).toMatchObject({ version: 2 });
    await pass(control, 10 * minute);
    expect(await firedSlots(control)).toEqual([]);
    await control.schedules.resume('tick');
    await pass(control, minute);
    expect(await firedSlots(control)).toEqual(['2026-01-01T00:11:00']);
  });
});

describe('trigger', () => {
  it('submits the job now and leaves the slots as they are, paused or not', async () => {
    const before = await control.schedules.set('nightly', nightly);
    const job = await control.schedules.trigger('nightly');
    expect(job).toMatchObject({ state: 'pending', spec: { command: ['true'] } });
    expect(await control.schedules.get('nightly')).toMatchObject({
      ...{ nextAtMs: before.nextAtMs, lastSlotMs: null, fired: 1, lastJobId: job.id },
      runs: [{ jobId: job.id, trigger: 'manual', outcome: 'fired' }],
    });
    await control.schedules.pause('nightly');
    expect((await control.schedules.trigger('nightly')).id).not.toBe(job.id);
  });

  it('with a key is the same job again, also when the schedule was changed', async () => {
    await control.schedules.set('nightly', nightly);
    const [job, again] = await Promise.all(
      ['k', 'k'].map((key) => control.schedules.trigger('nightly', key)),
    );
    expect(again?.id).toBe(job?.id);
    await control.schedules.set('nightly', { ...nightly, job: { command: ['other'] } });
    expect((await control.schedules.trigger('nightly', 'k')).spec.command).toEqual(['true']);
    expect((await control.schedules.get('nightly')).runs).toMatchObject([
      { jobId: job?.id, outcome: 'fired' },
    ]);
    expect(await control.schedules.get('nightly')).toMatchObject({ fired: 1, failed: 0 });
    expect((await control.schedules.trigger('nightly', 'l')).id).not.toBe(job?.id);
    await control.schedules.set('weekly', nightly);
    expect((await control.schedules.trigger('weekly', 'k')).id).not.toBe(job?.id);
  });

  it('with an id for its job is the same job again, and refuses the id of another', async () => {
    await control.schedules.set('nightly', nightly);
    const id = control.ids();
    const [job, again] = await Promise.all(
      [id, id].map((each) => control.schedules.trigger('nightly', undefined, each)),
    );
    expect([job?.id, again?.id]).toEqual([id, id]);
    await control.schedules.set('nightly', { ...nightly, job: { command: ['other'] } });
    expect((await control.schedules.trigger('nightly', undefined, id)).spec.command).toEqual(['true']);
    expect(await control.schedules.get('nightly')).toMatchObject({ fired: 1, failed: 0, lastJobId: id });
    const foreign = await control.jobs.submit({ command: ['foreign'] });
    await control.schedules.set('weekly', nightly);
    for (const [name, taken] of [
      ['nightly', foreign.id],
      ['weekly', id],
    ] as const)
      await expect(control.schedules.trigger(name, undefined, taken)).rejects.toMatchObject({
        code: 'JOB_ID_CONFLICT',
      });
    await expect(control.schedules.trigger('nightly', 'k', control.ids())).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'id' },
    });
  });

  it('with an id for its job is the same job as long as that is kept, which its run may not be', async () => {
    await control.schedules.set('nightly', nightly);
    const { id } = await control.schedules.trigger('nightly', undefined, control.ids());
    for (let n = 0; n <= limits.scheduleRunsKept; n++) await control.schedules.trigger('nightly');
    expect((await control.schedules.trigger('nightly', undefined, id)).id).toBe(id);
    await control.schedules.set('nightly', { ...nightly, job: { command: ['other'] } });
    await expect(control.schedules.trigger('nightly', undefined, id)).rejects.toMatchObject({
      code: 'JOB_ID_CONFLICT',
    });
  });

  it('with one id of two schedules at once is a job of the first alone', async () => {
    await control.schedules.set('nightly', nightly);
    await control.schedules.set('weekly', { ...nightly, job: { command: ['other'] } });
    const id = control.ids();
    const [first, second] = await Promise.allSettled(
      ['nightly', 'weekly'].map((name) => control.schedules.trigger(name, undefined, id)),
    );
    expect(first).toMatchObject({ status: 'fulfilled', value: { id, spec: { command: ['true'] } } });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'JOB_ID_CONFLICT' } });
  });

  it('that was answered with the job of a unique key fires once, and has that answer again', async () => {
    for (const policy of ['existing', 'debounce'] as const) {
      const unique = { key: policy, policy };
      const job = { ...trueJob, unique, ...(policy === 'debounce' ? { delayMs: 1_000 } : {}) };
      const holder = await control.jobs.submit(job);
      await control.schedules.set(policy, { ...nightly, job });
      const id = control.ids();
      for (let n = 0; n < 2; n++) {
        expect((await control.schedules.trigger(policy, undefined, id)).id).toBe(holder.id);
        expect((await control.schedules.trigger(policy, 'k')).id).toBe(holder.id);
      }
      expect(await control.schedules.get(policy)).toMatchObject({ fired: 2, failed: 0 });
    }
  });

  it('with the key of one that was refused, or is forgotten, is a job anew', async () => {
    await control.schedules.set('nightly', nightly);
    const images = [{ name: 'other:latest', digest: `sha256:${'0'.repeat(64)}` }];
    const worker = await TestWorker.join(control, { images });
    await expect(control.schedules.trigger('nightly', 'k')).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' });
    await worker.register({
      images: [...images, { name: 'base:latest', digest: `sha256:${'1'.repeat(64)}` }],
    });
    const { id } = await control.schedules.trigger('nightly', 'k');
    expect((await control.schedules.get('nightly')).runs).toMatchObject([{ jobId: id, outcome: 'fired' }]);
    await control.jobs.cancel(id);
    await control.forget.purge('default', {});
    expect(await control.schedules.trigger('nightly', 'k')).toMatchObject({ id, state: 'pending' });
    expect(await control.schedules.get('nightly')).toMatchObject({ fired: 2, failed: 1, lastJobId: id });
  });

  it('is what the next slot’s overlap is judged by', async () => {
    control.scheduleRunner.start();
    await settle();
    await control.schedules.set('tick', { ...everyMinute, overlap: 'skip' });
    await control.schedules.trigger('tick');
    await pass(control, minute);
    expect(await control.schedules.get('tick')).toMatchObject({ fired: 1, skipped: 1 });
  });

  it('says why the job is refused', async () => {
    await control.schedules.set('nightly', nightly);
    const images = [{ name: 'other:latest', digest: `sha256:${'0'.repeat(64)}` }];
    await TestWorker.join(control, { images });
    await expect(control.schedules.trigger('nightly')).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' });
    expect(await control.schedules.get('nightly')).toMatchObject({ fired: 0, failed: 1, lastJobId: null });
  });
});

describe('delete', () => {
  it('ends the schedule and leaves its jobs; one of the same name begins anew', async () => {
    control.scheduleRunner.start();
    await settle();
    await control.schedules.set('tick', everyMinute);
    await pass(control, minute);
    expect(await control.schedules.delete('tick')).toMatchObject({ name: 'tick', fired: 1 });
    await pass(control, 5 * minute);
    expect((await firedSlots(control)).length).toBe(1);
    expect(await control.schedules.set('tick', everyMinute)).toMatchObject({ version: 1, fired: 0 });
    await pass(control, minute);
    expect((await firedSlots(control)).length).toBe(2);
  });

  it.each(['get', 'delete', 'trigger', 'pause', 'resume'] as const)(
    '%s of none says that there is none',
    async (verb) => {
      await expect(control.schedules[verb]('nope')).rejects.toThrow('There is no schedule nope.');
    },
  );
});

describe('list', () => {
  it('gives pages by name', async () => {
    for (const name of ['c', 'a', 'b']) await control.schedules.set(name, nightly);
    const first = await control.schedules.list({ limit: 2 });
    expect([first.schedules.map(({ name }) => name), first.nextCursor]).toEqual([
      ['a', 'b'],
      cursorOf('schedules', 'b'),
    ]);
    const rest = await control.schedules.list({ limit: 2, cursor: first.nextCursor ?? '' });
    expect([rest.schedules.map(({ name }) => name), rest.nextCursor]).toEqual([['c'], null]);
  });
});
