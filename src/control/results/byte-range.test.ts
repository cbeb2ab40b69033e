import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isBlixardError } from '../../domain/errors.ts';
import { byteRangeOf } from './byte-range.ts';

it('is always within the bytes there are, whatever is asked for', () => {
  const header = fc.oneof(fc.string(), fc.stringMatching(/^bytes=\d{0,17}-\d{0,17}$/));
  fc.assert(
    fc.property(header, fc.nat(1_000), (text, size) => {
      try {
        const range = byteRangeOf(text, size);
        if (range === undefined) return;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.end).toBeGreaterThan(range.start);
        expect(range.end).toBeLessThanOrEqual(size);
      } catch (error) {
        expect(isBlixardError(error, 'RANGE_NOT_SATISFIABLE')).toBe(true);
      }
    }),
  );
});

it('of nothing is everything', () => {
  expect(byteRangeOf(undefined, 5)).toBeUndefined();
  expect(byteRangeOf('bytes=1-2', 5)).toEqual({ start: 1, end: 3 });
});
