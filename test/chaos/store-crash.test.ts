import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { openSqlite, type SqliteDatabase } from '../../src/store/sqlite/sqlite.ts';
import { type StoreProcess, startStoreProcess } from './store-process.ts';

let dir = '';
let file = '';
let child: StoreProcess | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'blixard-crash-'));
  file = join(dir, 'store.db');
});
afterEach(async () => {
  await child?.kill();
  child = undefined;
  rmSync(dir, { recursive: true });
});

const open = (): Promise<SqliteDatabase> => openSqlite({ file, clock: realClock, log: silentLog });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a store whose process is killed', () => {
  it('has every row that was answered, no half of a batch, and no damage', async () => {
    const answered: number[] = [];
    for (let round = 0; round < 6; round++) {
      child = await startStoreProcess(file, round * 1_000_000, round % 2 === 0 ? 'here' : 'beside');
      await pause(100 + Math.random() * 400);
      await child.kill();
      expect(child.answered.length).toBeGreaterThan(0);
      answered.push(...child.answered);
      const db = await open();
      const rows = await db.query({ sql: 'SELECT n, length(half) AS size FROM rows ORDER BY n' });
      const stored = new Set(rows.map((row) => row['n']));
      expect(answered.filter((n) => !stored.has(n))).toEqual([]);
      expect(rows.filter((row) => row['size'] !== Number(row['n']) % 3_000)).toEqual([]);
      expect(await db.query({ sql: 'SELECT n FROM rows EXCEPT SELECT n FROM twins' })).toEqual([]);
      expect(await db.query({ sql: 'SELECT n FROM twins EXCEPT SELECT n FROM rows' })).toEqual([]);
      expect(await db.query({ sql: 'SELECT integrity_check AS said FROM pragma_integrity_check' })).toEqual([
        { said: 'ok' },
      ]);
      await db.close();
    }
  });

  it('is owned by that process alone, and free the moment it is dead', async () => {
    child = await startStoreProcess(file, 0);
    await expect(open()).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      details: { file, owner: expect.stringMatching(new RegExp(`^process ${child.pid}, since 20\\d\\d-`)) },
    });
    // Being refused must not have loosened the lock.
    await expect(open()).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await child.kill();
    await (await open()).close();
  });

  it('turns a second process away while this one owns it', async () => {
    const db = await open();
    await expect(startStoreProcess(file, 0)).rejects.toThrow(
      `Another process owns the store ${file}: process ${process.pid}, since`,
    );
    await db.batch([{ sql: 'CREATE TABLE mine (a INTEGER)' }]);
    await db.close();
    child = await startStoreProcess(file, 0);
    await child.kill();
  });
});
