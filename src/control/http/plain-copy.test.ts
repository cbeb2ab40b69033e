import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { copyOfPlain } from './plain-copy.ts';

const viaText = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('a copy of plain values', () => {
  it('is what their text says, and is not longer than it tells', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const copied = copyOfPlain(value);
        // Of a value with this name the text must tell.
        if (JSON.stringify(value).includes('"__proto__":')) return;
        expect(copied).toBeDefined();
        expect(copied?.copy).toStrictEqual(viaText(value));
        expect(copied?.bytesMax).toBeGreaterThanOrEqual(Buffer.byteLength(JSON.stringify(value)));
      }),
    );
  });

  it('of anything is what its text says, or none', () => {
    const anything = fc.anything({ withDate: true, withMap: true, withSet: true, withNullPrototype: true });
    fc.assert(
      fc.property(anything, (value) => {
        const copied = copyOfPlain({ value });
        if (copied !== undefined) expect(copied.copy).toStrictEqual(viaText({ value }));
      }),
    );
  });

  it('shares nothing with what it was made of', () => {
    const value = { list: [{ text: 'a' }], left: undefined, none: null, zero: -0, not: Number.NaN };
    const copied = copyOfPlain(value)?.copy as typeof value;
    value.list[0] = { text: 'b' };
    expect(copied).toStrictEqual({ list: [{ text: 'a' }], none: null, zero: 0, not: null });
  });

  it('is left to the text for a class, a bigint, a cycle, and what is deeper than any body', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    let deep: unknown = 1;
    for (let depth = 0; depth <= limits.jsonDepth; depth++) deep = [deep];
    const own = JSON.parse('{"__proto__":1}') as unknown;
    for (const value of [new Date(0), { at: new Date(0) }, 1n, cycle, deep, own, [undefined], undefined])
      expect(copyOfPlain(value)).toBeUndefined();
  });
});
