import { expect, it } from 'vitest';
import { assertSafeVersion, loadSqlite } from './library.ts';

it('finds a SQLite on this Node that is safe to use', async () => {
  const library = await loadSqlite();
  const handle = new library(':memory:');
  expect(handle.prepare('SELECT 1 AS one').all()).toEqual([{ one: 1 }]);
  handle.close();
});

it.each(['3.51.2', '3.45.1', '3.7.0', '2.99.99'])('refuses SQLite %s', (version) => {
  expect(() => assertSafeVersion(version)).toThrow(
    expect.objectContaining({ code: 'SQLITE_TOO_OLD', details: { found: version, needed: '3.51.3' } }),
  );
});

it.each(['3.51.3', '3.51.10', '3.100.0', '4.0.0'])('takes SQLite %s', (version) => {
  expect(() => assertSafeVersion(version)).not.toThrow();
});
