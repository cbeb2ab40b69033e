import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packLegacyLz4 } from './lz4.suite.ts';
import { unpackLegacyLz4 } from './lz4.ts';

/** Bytes with many repeats, some of them overlapping themselves. */
const repetitive = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 100 })), {
    maxLength: 20,
  })
  .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array<Uint8Array>(times).fill(bytes))));

describe('legacy LZ4', () => {
  it('gives back what was packed', () => {
    fc.assert(
      fc.property(repetitive, fc.integer({ min: 1, max: 3_000 }), (bytes, blockBytes) => {
        expect(unpackLegacyLz4(packLegacyLz4(bytes, blockBytes), bytes.length)).toEqual(bytes);
      }),
    );
  });

  it('really packs, so that matches are tested too', () => {
    expect(packLegacyLz4(Buffer.alloc(10_000, 'abc'), 10_000).length).toBeLessThan(200);
  });

  it('refuses any damaged stream, or gives bytes of the right length', () => {
    fc.assert(
      fc.property(repetitive, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, flip) => {
        const packed = packLegacyLz4(bytes, 1_000);
        const index = at % packed.length;
        packed.writeUInt8(packed.readUInt8(index) ^ flip, index);
        try {
          expect(unpackLegacyLz4(packed, bytes.length).length).toBe(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });

  it('refuses a stream that is cut off, empty or of another format', () => {
    const bytes = Buffer.alloc(5_000, 'abcdefgh');
    const packed = packLegacyLz4(bytes, 5_000);
    for (const wrong of [packed.subarray(0, -1), packed.subarray(0, 3), Buffer.alloc(0), bytes]) {
      expect(() => unpackLegacyLz4(wrong, bytes.length)).toThrow(RangeError);
    }
    expect(() => unpackLegacyLz4(packed, bytes.length + 1)).toThrow(/5000 bytes, not 5001/);
  });
});
