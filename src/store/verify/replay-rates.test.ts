import { describe, expect, it } from 'vitest';
import { Findings, violationLines } from './findings.ts';
import { RateReplay } from './replay-rates.ts';

const told = (data: object) => ({ data: JSON.stringify({ queue: 'q', ...data }) });
const claim = (atMs: number) => ({ at_ms: atMs, queue: 'q', concurrency_key: null });

function replay(): { rates: RateReplay; violations: () => string[] } {
  const found = new Findings();
  const rates = new RateReplay(found);
  rates.changed(told({ rateMax: 1, ratePerMs: 5_000 }));
  return { rates, violations: () => violationLines(found.all()) };
}

describe('the replay of rates', () => {
  it('finds a claim without a token', () => {
    const { rates, violations } = replay();
    rates.claimed(claim(100_000));
    rates.claimed(claim(104_999));
    expect(violations()).toEqual([expect.stringContaining('had no token of 1 in 5000 ms')]);
  });

  it('takes a bucket for full after a clock was set back and on again, with no claim in between', () => {
    const { rates, violations } = replay();
    rates.claimed(claim(100_000));
    rates.clockSetBack();
    rates.claimed(claim(101_000));
    rates.claimed(claim(106_000));
    expect(violations()).toEqual([]);
  });

  it('learns of a clock that was set back by a claim, too', () => {
    const { rates, violations } = replay();
    rates.claimed(claim(100_000));
    rates.claimed(claim(40_000));
    rates.claimed(claim(45_000));
    expect(violations()).toEqual([]);
  });
});
