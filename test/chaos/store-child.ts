/** A process for the store tests: opens a store, then writes as fast as it can, telling each row that was answered. */
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { Load } from '../../src/store/sqlite/heavy-load.ts';
import { openSqlite } from '../../src/store/sqlite/sqlite.ts';

const [file = '', startText = '0', committed = 'here'] = process.argv.slice(2);
const callers = 8;
const compiledThread = new URL('../../dist/store/sqlite/commit-thread.js', import.meta.url);
const load: Load = { ran: () => undefined, isHeavy: () => committed === 'beside' };

const thread = { program: compiledThread, load };
const db = await openSqlite({ file, clock: realClock, log: silentLog, thread });
await db.batch([{ sql: 'CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, half TEXT)' }]);
await db.batch([{ sql: 'CREATE TABLE IF NOT EXISTS twins (n INTEGER PRIMARY KEY)' }]);
while (load.isHeavy(0) && db.stats().beside === 0) await db.batch([{ sql: 'DELETE FROM twins WHERE n < 0' }]);
process.stdout.write('open\n');

let next = Number(startText);
async function writeForEver(): Promise<never> {
  for (;;) {
    const n = next++;
    await db.batch([
      { sql: 'INSERT INTO rows (n, half) VALUES (?, ?)', args: [n, 'x'.repeat(n % 3_000)] },
      { sql: 'INSERT INTO twins (n) VALUES (?)', args: [n] },
    ]);
    process.stdout.write(`${n}\n`);
  }
}
await Promise.all(Array.from({ length: callers }, writeForEver));
