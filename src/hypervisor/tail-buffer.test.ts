import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TailBuffer } from './tail-buffer.ts';

describe('a tail buffer', () => {
  it('keeps exactly the newest bytes, whatever the pieces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 50 })),
        fc.integer({ min: 1, max: 40 }),
        (pieces, bytesMax) => {
          const tail = new TailBuffer({ bytesMax });
          for (const piece of pieces) tail.push(Buffer.from(piece));
          expect(tail.text()).toBe(pieces.join('').slice(-bytesMax));
        },
      ),
    );
  });

  it('can be read in between', () => {
    const tail = new TailBuffer({ bytesMax: 5 });
    expect(tail.text()).toBe('');
    tail.push(Buffer.from('abc'));
    expect(tail.text()).toBe('abc');
    tail.push(Buffer.from('defg'));
    expect(tail.text()).toBe('cdefg');
  });

  it('shows bytes that are no text as replacements', () => {
    const tail = new TailBuffer({ bytesMax: 5 });
    tail.push(Buffer.from([0x61, 0xff]));
    expect(tail.text()).toBe('a\uFFFD');
  });
});
