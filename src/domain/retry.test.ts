import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BackoffPolicy, backoffDelayMs, backoffOver, defaultBackoff } from './retry.ts';

const hourMs = 3_600_000;

describe('a back-off over the default', () => {
  it.each(['fixed', 'exponential'] as const)(
    'of %s waits as long as it says, the default cap notwithstanding',
    (type) => {
      const policy = backoffOver(defaultBackoff, { type, delayMs: hourMs, jitter: 0 });
      expect([1, 2, 9].map((failures) => backoffDelayMs(policy, failures, 0.5))).toEqual([
        hourMs,
        hourMs,
        hourMs,
      ]);
    },
  );

  it('keeps the default cap where that is the larger', () => {
    expect(backoffOver(defaultBackoff, { delayMs: 10 })).toEqual({ ...defaultBackoff, delayMs: 10 });
    expect(backoffOver(defaultBackoff, { delayMs: defaultBackoff.delayMaxMs + 1 }).delayMaxMs).toBe(
      defaultBackoff.delayMaxMs + 1,
    );
    expect(backoffOver(defaultBackoff)).toEqual(defaultBackoff);
  });

  it('with a cap below the default delay waits no longer than that', () => {
    expect(backoffOver(defaultBackoff, { delayMaxMs: 500 })).toMatchObject({ delayMs: 500, delayMaxMs: 500 });
  });

  it('says all of itself, takes the rest from the other, and is the same over it again', () => {
    const ms = fc.integer({ min: 0, max: 31_536_000_000 });
    const fields = {
      type: fc.constantFrom('fixed' as const, 'exponential' as const),
      delayMs: ms,
      delayMaxMs: ms,
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    };
    const isWhole = ({ delayMs = 0, delayMaxMs = delayMs }: Partial<BackoffPolicy>) => delayMaxMs >= delayMs;
    const bases = fc.record(fields).filter(isWhole);
    const owns = fc.record(fields, { requiredKeys: [] }).filter(isWhole);
    fc.assert(
      fc.property(bases, owns, (base, own) => {
        const policy = backoffOver(base, own);
        expect(policy).toMatchObject(own);
        expect(isWhole(policy)).toBe(true);
        expect(backoffOver(base, policy)).toEqual(policy);
      }),
    );
  });
});
