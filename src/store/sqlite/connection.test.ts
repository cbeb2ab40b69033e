import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { openReader, openWriter } from './connection.ts';
import { loadSqlite } from './library.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'blixard-connection-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const settings = {
  sql: `SELECT (SELECT journal_mode FROM pragma_journal_mode) AS journal,
    (SELECT synchronous FROM pragma_synchronous) AS sync,
    (SELECT foreign_keys FROM pragma_foreign_keys) AS keys,
    (SELECT temp_store FROM pragma_temp_store) AS temp,
    (SELECT cache_size FROM pragma_cache_size) AS cache,
    (SELECT timeout FROM pragma_busy_timeout) AS busy`,
};

it('writes and reads with WAL, normal sync, caches of 16 and 8 MiB, and no foreign keys', async () => {
  const library = await loadSqlite();
  const file = join(dir, 'a.db');
  const writer = openWriter(library, file);
  const reader = openReader(library, file);
  const common = { journal: 'wal', sync: 1, keys: 0, temp: 2, busy: 5_000 };
  expect(writer.rows(settings)).toEqual([{ ...common, cache: -16_384 }]);
  expect(reader.rows(settings)).toEqual([{ ...common, cache: -8_192 }]);
  writer.close();
  reader.close();
});

it('reads while a write is open, without waiting and without seeing it', async () => {
  const library = await loadSqlite();
  const file = join(dir, 'a.db');
  const writer = openWriter(library, file);
  writer.exec('CREATE TABLE t (a INTEGER)');
  const reader = openReader(library, file);
  const count = { sql: 'SELECT count(*) AS n FROM t' };
  writer.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (1)');
  expect(reader.rows(count)).toEqual([{ n: 0 }]);
  writer.exec('COMMIT');
  expect(reader.rows(count)).toEqual([{ n: 1 }]);
  expect(() => reader.run({ sql: 'DELETE FROM t' })).toThrow('readonly');
  reader.close();
  writer.close();
});

it('goes on past the number of statements it keeps prepared', async () => {
  const writer = openWriter(await loadSqlite(), ':memory:');
  for (const round of [1, 2]) {
    for (let n = 0; n <= limits.preparedStatements; n++) {
      expect(writer.rows({ sql: `SELECT ${n} AS n, ? AS round`, args: [round] })).toEqual([{ n, round }]);
    }
  }
  writer.close();
});
