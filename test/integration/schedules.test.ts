import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { timeOfUuidV7 } from '../../src/domain/ids.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { checkInvariants } from '../../src/store/invariants.suite.ts';
import { openSqlite } from '../../src/store/sqlite/sqlite.ts';
import { Site, until } from '../lib/system.ts';

const rounds = process.env['BLIXARD_TEST_LONG'] === '1' ? 20 : 3;
const noVms = { SKIP_VM_MANAGER: '1' };

describe('a schedule of every second', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  const setTick = (...flags: readonly string[]) =>
    site.cli(['schedule', 'set', 'tick', '--cron', '* * * * * *', ...flags, '--', 'true']);

  const fired = async (): Promise<number> => {
    const client = site.client();
    const schedule = await client.call('getSchedule', { params: { name: 'tick' } });
    await client.close();
    return schedule.fired;
  };

  /** The slots that have a job, and that nothing is wrong in the store of a process that has ended. */
  const slotsInStore = async (): Promise<number[]> => {
    const db = await openSqlite({ file: join(site.dataDir, 'blixard.db'), clock: realClock, log: silentLog });
    try {
      expect(await checkInvariants(db)).toEqual([]);
      const rows = await db.query({ sql: 'SELECT id FROM jobs ORDER BY id' });
      return rows.map((row) => timeOfUuidV7(String(row['id'])));
    } finally {
      await db.close();
    }
  };

  it('has one job for each second, however often the server is killed', async () => {
    let server = await site.start('server', noVms);
    const set = await setTick('--catch-up', 'all', '--catch-up-max', '100');
    expect([set.code, set.stderr]).toEqual([0, '']);
    for (let round = 0; round < rounds; round++) {
      const before = await fired();
      await until('it fires', async () => (await fired()) > before);
      // At another part of the second each time.
      await new Promise((resolve) => setTimeout(resolve, (round * 397) % 1_000));
      await server.end('SIGKILL');
      server = await site.start('server', noVms);
    }
    const before = await fired();
    await until('it fires still', async () => (await fired()) > before + 1);
    expect(await server.end('SIGTERM')).toBe(0);
    const slots = await slotsInStore();
    const [first = 0] = slots;
    expect(slots).toEqual(slots.map((_, index) => first + index * 1_000));
    expect(slots.length).toBeGreaterThan(rounds + 2);
  });

  it('fires in `up` too, until it is paused', async () => {
    const up = await site.start('up', noVms);
    await setTick();
    await until('it fires', async () => (await fired()) > 0);
    expect((await site.cli(['schedule', 'pause', 'tick'])).stdout.toString()).toBe('tick  paused\n');
    const count = await fired();
    const { stdout } = await site.cli(['schedule', 'trigger', 'tick']);
    expect((await site.cli(['job', 'get', stdout.toString().trim()])).code).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await fired()).toBe(count + 1);
    expect(await up.end('SIGTERM')).toBe(0);
    await slotsInStore();
  });
});
