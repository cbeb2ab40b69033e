import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { day } from '../domain/amounts.ts';
import { isUuidV7 } from '../domain/ids.ts';
import { FakeClock, realClock, sleep } from './clock.ts';
import { readTextIfThere, removeTree, writeFileDurably } from './files.ts';
import { makeIds, realRandom, seededRandom } from './random.ts';

describe('clocks', () => {
  it('the fake one fires timers in order of their time, and those they set in turn', () => {
    const clock = new FakeClock(0);
    const fired: string[] = [];
    clock.after(20, () => fired.push(`late ${clock.nowMs()}`));
    clock.after(10, () => {
      fired.push(`early ${clock.nowMs()}`);
      clock.after(5, () => fired.push(`set by early ${clock.nowMs()}`));
    });
    clock.after(1_000, () => fired.push('never')).cancel();
    clock.advance(100);
    expect(fired).toEqual(['early 10', 'set by early 15', 'late 20']);
    expect(clock.nowMs()).toBe(100);
    expect(clock.waiting).toBe(0);
  });

  it('the real one waits as long as it is told, over what a timer of Node can and for ever', () => {
    vi.useFakeTimers();
    try {
      const fired: string[] = [];
      realClock.after(60 * day, () => fired.push('60 days'));
      realClock.after(Number.POSITIVE_INFINITY, () => fired.push('never'));
      const cancelled = realClock.after(40 * day, () => fired.push('cancelled'));
      vi.advanceTimersByTime(30 * day);
      cancelled.cancel();
      vi.advanceTimersByTime(30 * day - 1);
      expect(fired).toEqual([]);
      vi.advanceTimersByTime(1);
      expect(fired).toEqual(['60 days']);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    ['real', realClock],
    ['fake', new FakeClock()],
  ] as const)('a sleep on the %s one ends when aborted', async (_name, clock) => {
    const stop = new AbortController();
    const slept = sleep(clock, 60_000, stop.signal);
    stop.abort();
    await slept;
  });
});

describe('ids', () => {
  it.each([
    ['real', realRandom],
    ['seeded', seededRandom(7)],
  ] as const)('from the %s random are unique and in order, also within one millisecond', (_name, random) => {
    const ids = makeIds(new FakeClock(), random);
    const made = Array.from({ length: 10_000 }, () => ids());
    expect(made.every(isUuidV7)).toBe(true);
    expect(new Set(made).size).toBe(made.length);
    expect([...made].sort()).toEqual(made);
  });

  it('are the same for the same seed', () => {
    const run = (seed: number): string[] => {
      const ids = makeIds(new FakeClock(), seededRandom(seed));
      return [ids(), ids(), ids()];
    };
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });
});

describe('files', () => {
  const made: string[] = [];
  afterAll(() => Promise.all(made.map(removeTree)));

  it('are replaced whole and leave no part behind', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'blixard-files-'));
    made.push(dir);
    const path = join(dir, 'deep', 'state.json');
    expect(await readTextIfThere(path)).toBeUndefined();
    await writeFileDurably(path, 'one');
    await writeFileDurably(path, 'two');
    expect(await readFile(path, 'utf8')).toBe('two');
    expect(await readdir(join(dir, 'deep'))).toEqual(['state.json']);
  });
});
