import { describe, expect, it } from 'vitest';
import { integer, integerOrNull, json, jsonOrNull, text, textOrNull } from './columns.ts';
import { define, literals } from './define.ts';

describe('define', () => {
  it('puts each named value where its name stands, as often as it stands', () => {
    const statement = define<{ id: string; nowMs: number }>(
      'x',
      `UPDATE jobs SET a = :nowMs,
         b = :nowMs WHERE id = :id`,
    );
    expect(statement.with({ id: 'i', nowMs: 7 })).toEqual({
      sql: 'UPDATE jobs SET a = ?, b = ? WHERE id = ?',
      args: [7, 7, 'i'],
    });
    expect(statement.params).toEqual(['nowMs', 'nowMs', 'id']);
  });

  it('quotes states', () => {
    expect(literals(['a', 'b'])).toBe("'a', 'b'");
  });
});

describe('columns', () => {
  const row = { n: 1, t: 'x', j: '{"a":[1]}', nothing: null };

  it('come as what they are', () => {
    expect([integer(row, 'n'), text(row, 't'), json(row, 'j')]).toEqual([1, 'x', { a: [1] }]);
    expect([integerOrNull(row, 'nothing'), textOrNull(row, 'nothing'), jsonOrNull(row, 'nothing')]).toEqual([
      null,
      null,
      null,
    ]);
  });

  it('of another type, or missing, are a bug', () => {
    expect(() => integer(row, 't')).toThrow('column t holds string');
    expect(() => text(row, 'nothing')).toThrow('column nothing');
    expect(() => textOrNull(row, 'missing')).toThrow('column missing');
  });
});
