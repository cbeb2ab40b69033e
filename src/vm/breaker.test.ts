import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  afterFailure,
  afterNothing,
  ask,
  type Breaker,
  breakerBounds,
  closedBreaker,
  isProven,
} from './breaker.ts';

const { failuresMax, openMs } = breakerBounds;

describe('a circuit breaker', () => {
  const opened = (atMs: number): Breaker => {
    let breaker = closedBreaker;
    for (let n = 0; n < failuresMax; n++) breaker = afterFailure(breaker, false, atMs);
    return breaker;
  };

  it('opens after a few failures in a row, refuses for its time, then lets one probe through', () => {
    const breaker = opened(1_000);
    expect(breaker).toEqual({ phase: 'open', failures: failuresMax, untilMs: 1_000 + openMs });
    expect(ask(breaker, 999 + openMs).permit).toBe('refused');
    const { permit, next } = ask(breaker, 1_000 + openMs);
    expect([permit, next.phase]).toEqual(['probe', 'half-open']);
    expect(ask(next, 9_000_000).permit).toBe('refused');
    expect([breaker, next].map(isProven)).toEqual([false, false]);
    const again = afterFailure(next, true, 5);
    expect(isProven(again)).toBe(true);
    expect(again).toEqual({
      phase: 'open',
      failures: failuresMax + 1,
      untilMs: 5 + openMs,
    });
  });

  it('a probe that came to nothing leaves its place to the next', () => {
    const { next } = ask(opened(0), openMs);
    expect(ask(afterNothing(next, true, openMs), openMs).permit).toBe('probe');
  });

  it('one try that fails late does not keep it open for longer', () => {
    const breaker = opened(0);
    expect(afterFailure(breaker, false, openMs / 2)).toBe(breaker);
  });

  /** What happens to a thing that may be broken, in any order and at any times. */
  const step = fc.record({
    act: fc.constantFrom('ask', 'fail', 'succeed', 'nothing'),
    which: fc.nat(),
    passMs: fc.integer({ min: 0, max: openMs }),
  });

  it('never has two probes under way, and lets through no more than its bounds, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        let breaker = closedBreaker;
        let nowMs = 0;
        let untilMs: number | undefined;
        const under: { probe: boolean }[] = [];
        for (const { act, which, passMs } of steps) {
          nowMs += passMs;
          const [tried] = act === 'ask' ? [] : under.splice(which % Math.max(1, under.length), 1);
          const before = breaker;
          if (act === 'ask') {
            const { permit, next } = ask(breaker, nowMs);
            breaker = next;
            if (permit !== 'refused') under.push({ probe: permit === 'probe' });
            if (untilMs !== undefined && nowMs < untilMs) expect(permit).toBe('refused');
          } else if (tried !== undefined && act === 'succeed') {
            breaker = closedBreaker;
            untilMs = undefined;
            // A probe that is still under way counts no more than any other.
            for (const each of under) each.probe = false;
          } else if (tried !== undefined && act === 'nothing') {
            breaker = afterNothing(breaker, tried.probe, nowMs);
            if (before.phase === 'half-open' && tried.probe) untilMs = undefined;
          } else if (tried !== undefined) {
            breaker = afterFailure(breaker, tried.probe, nowMs);
          }
          if (breaker.phase === 'open' && breaker.untilMs > nowMs && before !== breaker)
            untilMs = nowMs + openMs;
          expect(under.filter(({ probe }) => probe).length).toBeLessThanOrEqual(1);
          if (breaker.phase === 'closed') expect(breaker.failures).toBeLessThan(failuresMax);
          else expect(breaker.failures).toBeGreaterThanOrEqual(failuresMax);
        }
      }),
    );
  });
});
