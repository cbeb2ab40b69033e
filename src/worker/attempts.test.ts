import { beforeEach, describe, expect, it } from 'vitest';
import { specOf } from '../contract/job.ts';
import type { AttemptDone, ClaimedJob } from '../contract/worker.ts';
import { FakeClock } from '../platform/clock.ts';
import { type AttemptRun, doneOf } from './attempt-run.ts';
import { Attempts } from './attempts.ts';

/** Stands for a run: ends when told to. */
class TestRun {
  readonly claimed: ClaimedJob;
  readonly calls: string[] = [];
  end: (done: AttemptDone | null) => void = () => undefined;

  constructor(claimed: ClaimedJob) {
    this.claimed = claimed;
  }

  run = (): Promise<AttemptDone | null> =>
    new Promise((resolve) => {
      this.end = resolve;
    });
  cancel = (): void => void this.calls.push('cancel');
  lose = (): void => this.end(doneOf(this.claimed, 'worker_lost'));
  forget = (): void => this.end(null);
}

const claim = (n: number): ClaimedJob => ({
  jobId: `job-${n}`,
  attempt: 1,
  spec: specOf({ command: ['x'] }),
});
const claims = (count: number): ClaimedJob[] => Array.from({ length: count }, (_, n) => claim(n));

describe('Attempts', () => {
  let runs: TestRun[];
  let done: (AttemptDone | null)[];
  let attempts: Attempts;
  beforeEach(() => {
    runs = [];
    done = [];
    attempts = new Attempts({
      clock: new FakeClock(),
      slots: 2,
      claimAheadMax: 0,
      makeRun: (claimed) => {
        const run = new TestRun(claimed);
        runs.push(run);
        return run as Pick<AttemptRun, 'run' | 'cancel' | 'lose' | 'forget'> as AttemptRun;
      },
      onEnded: (end) => done.push(end),
    });
  });
  const running = () => runs.map(({ claimed }) => claimed.jobId);

  it('gives back a claim it is told of and has never got, and none that it runs or keeps waiting', () => {
    attempts.accept(claims(3));
    attempts.giveBackUnknown(claims(4));
    expect(done).toEqual([doneOf(claim(3), null)]);
    expect(running()).toEqual(['job-0', 'job-1']);
  });

  it('runs claims in order as slots are free, and wants what is left', async () => {
    expect(attempts.want).toBe(2);
    attempts.accept(claims(1));
    expect(attempts.want).toBe(1);
    attempts.accept(claims(3));
    expect(attempts.want).toBe(0);
    expect(running()).toEqual(['job-0', 'job-1']);
    runs[0]?.end(doneOf(claim(0), 'exit'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(running()).toEqual(['job-0', 'job-1', 'job-2']);
    expect(done).toEqual([doneOf(claim(0), 'exit')]);
    expect(attempts.want).toBe(0);
  });

  it('gives back what waits when it is to leave, and what still comes', () => {
    attempts.accept(claims(3));
    attempts.closeIntake();
    expect(attempts.want).toBe(0);
    attempts.accept([claim(7)]);
    expect(done).toEqual([doneOf(claim(2), null), doneOf(claim(7), null)]);
    expect(running()).toEqual(['job-0', 'job-1']);
  });

  it('cancels a running attempt, and ends a waiting one without starting it', () => {
    attempts.accept(claims(3));
    attempts.cancel([claim(1), claim(2), claim(9)]);
    expect(runs[1]?.calls).toEqual(['cancel']);
    expect(done.map((end) => [end?.jobId, end?.reason])).toEqual([['job-2', 'cancelled']]);
  });

  it('loses all it runs, or forgets it', async () => {
    attempts.accept(claims(2));
    attempts.loseAll('stopped');
    await attempts.ended();
    expect(done.map((end) => end?.reason)).toEqual(['worker_lost', 'worker_lost']);
    attempts.accept([claim(5), claim(6), claim(7)]);
    attempts.forgetAll();
    await attempts.ended();
    expect(done.slice(2)).toEqual([null, null]);
  });
});
