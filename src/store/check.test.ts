import { describe, expect, it } from 'vitest';
import { checkStatement, StatementCheck } from './check.ts';
import type { SqlValue, Statement } from './database.ts';

const trigger = `CREATE TRIGGER jobs_inserted AFTER INSERT ON jobs BEGIN
  UPDATE job_counts SET n = n + CASE WHEN NEW.status = 'pending' THEN 1 ELSE 2 END;
  INSERT INTO job_counts (n) SELECT 1 WHERE NEW.n > 0;
END`;

const problemOf = (statement: Statement): string => {
  try {
    checkStatement(statement);
  } catch (error) {
    return error instanceof Error ? error.message : 'not an error';
  }
  return 'fine';
};

describe('checkStatement', () => {
  it.each([
    ['SELECT 1'],
    ['  select a from t where id = ?  ', 'x'],
    ['SELECT a FROM t ORDER BY seq LIMIT 5;'],
    ["SELECT 'BEGIN; random() ? LIMIT 1 x''00ff''' AS \"RETURNING; ?1\" -- ? date()"],
    ['WITH due AS (SELECT seq FROM t ORDER BY seq LIMIT ?) SELECT seq FROM due', 3],
    ['WITH due AS (SELECT 1) UPDATE t SET updated_at = ? WHERE date > 1', 4],
    ['UPDATE t SET a = a + 1 WHERE seq = (SELECT seq FROM t ORDER BY seq LIMIT 1) RETURNING seq, a'],
    [
      "UPDATE t SET a = d.value->>'$.a' FROM json_each(?) AS d WHERE t.seq = d.value->>'s' RETURNING seq",
      '[]',
    ],
    ['INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET a = excluded.a', null],
    ['INSERT OR IGNORE INTO t (a) VALUES (replace(?, 1, 2))', 1.5],
    ['SELECT a FROM t WHERE a IS NOT ? AND b IS NULL', 'x'],
    ['CREATE TABLE t (seq INTEGER PRIMARY KEY, date TEXT) STRICT'],
    ["CREATE INDEX i ON t (a) WHERE status = 'pending'"],
    ['ALTER TABLE t ADD COLUMN b TEXT'],
    ['EXPLAIN QUERY PLAN UPDATE t SET a = ?', 1],
    [trigger],
    [`${trigger};`],
  ])('lets through: %s', (sql, ...args) => {
    expect(problemOf({ sql, args })).toBe('fine');
  });

  it.each([
    ['BEGIN IMMEDIATE', 'verb'],
    ['COMMIT', 'verb'],
    ['SAVEPOINT a', 'verb'],
    ['-- note\nPRAGMA foreign_keys = ON', 'verb'],
    ["ATTACH 'other.db' AS other", 'verb'],
    ['VACUUM', 'verb'],
    ['', 'verb'],
    ['DELETE FROM t; DELETE FROM u', 'more than one statement'],
    [`${trigger}; DROP TABLE t`, 'more than one statement'],
    [`${trigger.replace(/END$/, '')}`, 'more than one statement'],
    ['UPDATE t SET a = random()', 'random'],
    ['SELECT hex(RANDOMBLOB (16))', 'random'],
    ["SELECT strftime('%s')", 'time'],
    ['SELECT unixepoch()', 'time'],
    ['CREATE TABLE t (at TEXT DEFAULT CURRENT_TIMESTAMP)', 'time'],
    ['SELECT changes()', 'replicas'],
    ['SELECT last_insert_rowid()', 'replicas'],
    ['DELETE FROM t RETURNING\nid', 'RETURNING'],
    ['DELETE FROM t RETURNING(id)', 'RETURNING'],
    ['SELECT a IS NOT DISTINCT FROM b FROM t', 'IS DISTINCT FROM'],
    ['SELECT a FROM t LIMIT 1', 'ORDER BY'],
    ['SELECT a FROM (SELECT a FROM t LIMIT 1) ORDER BY a', 'ORDER BY'],
    ['SELECT a, (SELECT b FROM u ORDER BY b) FROM t LIMIT 1', 'ORDER BY'],
    ['SELECT ?1', 'plain ?'],
    ['SELECT :name', 'plain ?'],
    ['SELECT @name, $other', 'plain ?'],
    ['INSERT OR ROLLBACK INTO t (a) VALUES (1)', 'apart'],
    ['CREATE TABLE t (a INTEGER UNIQUE ON CONFLICT FAIL)', 'apart'],
    ['CREATE TEMP TABLE t (a INTEGER)', 'temporary'],
    ["SELECT x'00ff'", 'bytes'],
  ])('refuses %s', (sql, problem) => {
    const args: SqlValue[] = Array.from({ length: sql.split('?').length - 1 }, () => 1);
    expect(problemOf({ sql, args })).toContain(problem);
  });

  it('refuses a wrong number of arguments', () => {
    expect(problemOf({ sql: 'SELECT ?, ?', args: [1] })).toContain('2 parameters, but 1 arguments');
    expect(problemOf({ sql: "SELECT '?'", args: [1] })).toContain('0 parameters, but 1 arguments');
    expect(problemOf({ sql: 'SELECT ?' })).toContain('1 parameters, but 0 arguments');
  });

  it.each([[true], [undefined], [10n], [new Date(0)], [new Uint8Array(1)]])(
    'refuses an argument that is no value of the store: %s',
    (value: unknown) => {
      expect(problemOf({ sql: 'SELECT ?', args: [value as SqlValue] })).toContain(
        `argument 0 is a ${typeof value}`,
      );
    },
  );
});

describe('StatementCheck', () => {
  it('judges the arguments each time, though it reads a text once', () => {
    const check = new StatementCheck();
    const sql = 'UPDATE t SET a = ? RETURNING a';
    expect(check.inspectWrite({ sql, args: [1] })).toMatchObject({ kind: 'write', givesRows: true });
    expect(() => check.inspectWrite({ sql, args: [2 ** 53] })).toThrow('2^53');
    expect(() => check.inspectRead({ sql, args: [1] })).toThrow('a write belongs into batch');
  });
});
