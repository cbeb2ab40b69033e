import { describe, expect, it } from 'vitest';
import { specOf } from '../contract/job.ts';
import type { AttemptDone, ClaimedJob } from '../contract/worker.ts';
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import { FakeClock } from '../platform/clock.ts';
import { type AttemptRun, doneOf } from './attempt-run.ts';
import { Attempts } from './attempts.ts';
import { ClaimAhead } from './claim-ahead.ts';

describe('what is claimed ahead', () => {
  it('is nothing until an attempt has ended, and then what the slots do in a moment', () => {
    const ahead = new ClaimAhead({ slots: 10, max: 500 });
    expect(ahead.allowed).toBe(0);
    ahead.took(defaults.claimAheadMs / 2);
    expect(ahead.allowed).toBe(20);
  });

  it('is bounded, however fast the jobs are', () => {
    const ahead = new ClaimAhead({ slots: 50, max: 500 });
    for (let count = 0; count < 100; count++) ahead.took(0);
    expect(ahead.allowed).toBe(500);
    expect(new ClaimAhead({ slots: 50, max: 0 }).allowed).toBe(0);
  });

  it('is nothing where jobs last', () => {
    const ahead = new ClaimAhead({ slots: 10, max: 500 });
    ahead.took(0);
    ahead.stalled(1_000);
    expect(ahead.allowed).toBe(0);
    const slow = new ClaimAhead({ slots: 10, max: 500 });
    slow.took(60_000);
    expect(slow.allowed).toBe(0);
  });
});

describe('attempts that are claimed ahead', () => {
  const claim = (n: number): ClaimedJob => ({
    jobId: `job-${n}`,
    attempt: 1,
    spec: specOf({ command: ['x'] }),
  });

  function scene(claimAheadMax: number) {
    const clock = new FakeClock();
    const done: (AttemptDone | null)[] = [];
    const ends: ((done: AttemptDone) => void)[] = [];
    const attempts = new Attempts({
      clock,
      slots: 2,
      claimAheadMax,
      makeRun: () => {
        const run = { run: () => new Promise<AttemptDone>((resolve) => ends.push(resolve)) };
        return run as Pick<AttemptRun, 'run'> as AttemptRun;
      },
      onEnded: (end) => done.push(end),
    });
    return { clock, done, ends, attempts };
  }

  async function endTwo({ attempts, ends }: ReturnType<typeof scene>): Promise<void> {
    attempts.accept([claim(1), claim(2)]);
    ends[0]?.(doneOf(claim(1), 'exit'));
    ends[1]?.(doneOf(claim(2), 'exit'));
    await new Promise((resolve) => setImmediate(resolve));
  }

  it('are asked for in halves, and never more than a worker may hold', async () => {
    const small = scene(10);
    expect(small.attempts.want).toBe(2);
    await endTwo(small);
    expect(small.attempts.want).toBe(6);
    const large = scene(limits.slotsMax);
    await endTwo(large);
    expect(large.attempts.want).toBe(limits.slotsMax / 2);
  });

  it('go back when they turn out to wait behind slow ones', async () => {
    const made = scene(10);
    await endTwo(made);
    made.attempts.accept([3, 4, 5, 6].map(claim));
    made.clock.advance(defaults.claimAheadPatienceMs);
    expect(made.done.slice(2)).toEqual([doneOf(claim(5), null), doneOf(claim(6), null)]);
    expect(made.attempts.want).toBe(0);
    expect(made.clock.waiting).toBe(0);
  });

  it('go back all of them where none may be, as for heavy jobs', async () => {
    const made = scene(0);
    made.attempts.accept([1, 2, 3].map(claim));
    made.clock.advance(defaults.claimAheadPatienceMs - 1);
    expect(made.done).toEqual([]);
    made.clock.advance(1);
    expect(made.done).toEqual([doneOf(claim(3), null)]);
    expect(made.attempts.want).toBe(0);
    expect(made.clock.waiting).toBe(0);
  });
});
