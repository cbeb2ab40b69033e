/** Which values a Database keeps as they are, and which it refuses. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Database } from './database.ts';

/** Part of the suite of database.suite.ts; `database` gives the open one. */
export function valuesSuite(database: () => Database): void {
  describe('values', () => {
    const roundTrip = async (
      value: string | number | null,
      type: 'TEXT' | 'INTEGER' | 'REAL',
    ): Promise<unknown> => {
      await database().batch([
        { sql: 'DROP TABLE IF EXISTS kept' },
        { sql: `CREATE TABLE kept (v ${type}) STRICT` },
        { sql: 'INSERT INTO kept (v) VALUES (?)', args: [value] },
      ]);
      return (await database().query({ sql: 'SELECT v FROM kept' }))[0]?.['v'];
    };

    it.each([0, -1, 2 ** 31, 1_700_000_000_000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, null])(
      'keeps the integer %s',
      async (value) => expect(await roundTrip(value, 'INTEGER')).toBe(value),
    );

    it('hands an integer to SQL as an integer, whatever its size', async () => {
      const rows = await database().query({
        sql: "SELECT ? || '' AS small, ? || '' AS big",
        args: [1, 2 ** 40],
      });
      expect(rows).toEqual([{ small: '1', big: '1099511627776' }]);
    });

    it.each([0.1, -1.5e-300, 1234567.125])('keeps the number %s', async (value) =>
      expect(await roundTrip(value, 'REAL')).toBe(value),
    );

    it.each([
      '',
      'plain',
      'žluťoučký 日本語 👩‍👩‍👧',
      'quote \' " ; --',
      '\n\t\u0001\ufffe',
      'x'.repeat(1_000_000),
    ])('keeps the text %#', async (value) => expect(await roundTrip(value, 'TEXT')).toBe(value));

    it('keeps any text that it takes', async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
          if (text.includes('\0')) return;
          expect(await roundTrip(text, 'TEXT')).toBe(text);
        }),
        { numRuns: 40 },
      );
    });

    it.each([
      ['NUL', 'a\0b'],
      ['half a surrogate pair', 'a\ud800b'],
      ['the form of bytes', " X'00fF' "],
    ])('refuses a text that would come back changed: %s', async (_title, value) => {
      await expect(roundTrip(value, 'TEXT')).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
    });

    it('refuses integers past 2^53 and numbers that are none', async () => {
      for (const value of [2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY])
        await expect(roundTrip(value, 'INTEGER')).rejects.toMatchObject({ code: 'CONSTRAINT' });
    });
  });
}
