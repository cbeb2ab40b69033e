import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { ProgressLines } from './progress-lines.ts';

const one = (text: string) => new ProgressLines().push(Buffer.from(text));

describe('what a command writes to its progress', () => {
  it.each([
    ['40 compiling\n', 40, 'compiling'],
    ['40\n', 40, ''],
    ['40%\n', 40, ''],
    ['  7 %  two words \n', 7, 'two words'],
    ['99.9 nearly\n', 99, 'nearly'],
    ['250 too much\n', 100, 'too much'],
    ['only words\n', null, 'only words'],
    ['1000 files\n', null, '1000 files'],
    ['3rd step\n', null, '3rd step'],
    ['10 a\n20 b\n', 20, 'b'],
    ['50 \x1b[31mred\x07\r\n', 50, '[31mred'],
  ])('%j is %j and %j', (text, percent, message) => {
    expect(one(text)).toEqual({ percent, message });
  });

  it('comes in any pieces, and a line without a number keeps the percent', () => {
    const lines = new ProgressLines();
    const bytes = Buffer.from('40 zürich\nmore words\nthe end');
    const told = [...bytes]
      .map((byte) => lines.push(Buffer.from([byte])))
      .filter((each) => each !== undefined);
    expect(told).toEqual([
      { percent: 40, message: 'zürich' },
      { percent: 40, message: 'more words' },
    ]);
    expect(lines.finish()).toEqual({ percent: 40, message: 'the end' });
    expect(lines.finish()).toBeUndefined();
  });

  it('is bounded and printable, whatever it is', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 3_000 }),
      fc.string({ unit: 'binary', maxLength: 500 }).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), (pieces) => {
        const lines = new ProgressLines();
        const told = [...pieces.map((piece) => lines.push(Buffer.from(piece))), lines.finish()];
        for (const each of told) {
          if (each === undefined) continue;
          expect(each.message.length).toBeLessThanOrEqual(limits.progressMessageLength);
          expect(each.message).not.toMatch(/[\p{Cc}\p{Cs}]/u);
          if (each.percent !== null)
            expect(Number.isInteger(each.percent) && each.percent >= 0 && each.percent <= 100).toBe(true);
        }
      }),
    );
  });
});
