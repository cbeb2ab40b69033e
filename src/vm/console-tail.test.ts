import fc from 'fast-check';
import { expect, it } from 'vitest';
import { consoleTail } from './console-tail.ts';

it('keeps the end of a console, as one line', () => {
  expect(consoleTail('[ 0.1] booting\r\n\u001b[31mKernel panic\u0000\n', 100)).toBe('[ 0.1] booting [31mKernel panic');
  expect(consoleTail('abcdef', 4)).toBe('…def');
});

it('never gives more than asked for, no control character and no half of one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (text, max) => {
      const tail = consoleTail(text, max);
      expect(tail.length).toBeLessThanOrEqual(max);
      expect(tail).not.toMatch(/[\p{Cc}\p{Cs}]/u);
    }),
  );
});
