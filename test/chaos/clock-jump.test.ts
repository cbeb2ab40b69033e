import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakedTime } from '../lib/faked-time.ts';
import { allEnded, submitAll, times } from '../lib/jobs.ts';
import { Chance, pause, seeds } from '../lib/rounds.ts';
import { type Process, Site, until } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const leaseMs = 3_000;
const hourMs = 3_600_000;
const env = { BLIXARD_LEASE: `${leaseMs}ms`, BLIXARD_HEARTBEAT: '500ms' };

describe('the clock of the control node jumps by an hour and back', () => {
  let site: Site;
  let time: FakedTime;
  beforeEach(async () => {
    site = await Site.make();
    time = new FakedTime();
  });
  afterEach(async () => {
    await site.remove();
    time.remove();
  });

  const worker = (name: string): Process =>
    site.spawnScriptWorker({ BLIXARD_DATA_DIR: join(site.dataDir, name), BLIXARD_TEST_SLOTS: '2' });

  it.each(seeds())(
    'no lease is lost, each slot fires once, a dead worker is noticed (seed %i)',
    async (seed) => {
      const chance = new Chance('clock-jump', seed);
      const server = await site.start('server', { ...env, ...time.env });
      const client = site.client();
      const workers = [worker('one'), worker('other')];
      const running = await submitAll(
        client,
        times(3, () => ({ command: ['sleep', '3600000'] })),
      );
      await until('all run', async () => {
        const { jobs } = await client.call('getStats');
        return jobs.find(({ state }) => state === 'running')?.count === 3;
      });
      const later = await submitAll(client, [{ command: ['exit'], delayMs: hourMs / 2 }]);
      const job = { command: ['exit'] };
      const body = { job, catchUp: 'one', timeZone: 'UTC' } as const;
      await client.call('setSchedule', { params: { name: 'hourly' }, body: { ...body, cron: '0 * * * *' } });
      await client.call('setSchedule', {
        params: { name: 'ticking' },
        body: { ...body, cron: '* * * * * *', catchUp: 'none' },
      });

      const untouched = async (): Promise<void> => {
        const { workers: known } = await client.call('listWorkers');
        expect(known.map(({ state, generation }) => ({ state, generation }))).toEqual(
          workers.map(() => ({ state: 'online', generation: 1 })),
        );
        for (const id of running) {
          expect(await client.call('getJob', { params: { id } })).toMatchObject({
            state: 'running',
            attempt: 1,
          });
        }
      };
      const [first, second] = seed % 2 === 0 ? [hourMs, -hourMs] : [-hourMs, hourMs];
      for (const aheadMs of [first, 0, second]) {
        await pause(chance.between(0, 400));
        time.set(aheadMs);
        await pause(1.2 * leaseMs);
        await untouched();
      }
      time.set(hourMs);
      const [due] = await allEnded(client, later);
      expect(due).toMatchObject({ state: 'completed', attempt: 1 });
      for (const name of ['hourly', 'ticking']) {
        const slots = await until(`${name} has fired`, async () => {
          const { runs } = await client.call('getSchedule', { params: { name } });
          const fired = runs.filter(({ outcome }) => outcome === 'fired').map(({ slotMs }) => slotMs);
          return fired.length > 0 && fired;
        });
        expect(new Set(slots).size).toBe(slots.length);
        // The hour that was passed, and one more if the test runs across the next.
        if (name === 'hourly') expect(slots.length).toBeLessThanOrEqual(2);
      }

      // A worker that dies is noticed as ever.
      const [dying, living] = workers;
      await dying?.end('SIGKILL');
      await until(
        'it is taken for lost',
        async () => {
          const { workers: known } = await client.call('listWorkers');
          return known.some(({ state }) => state === 'offline');
        },
        3 * leaseMs,
      );
      await Promise.all(running.map((id) => client.call('cancelJob', { params: { id }, body: {} })));
      await allEnded(client, running);
      await client.close();
      for (const process of [living, server]) expect(await process?.end('SIGTERM')).toBe(0);
      const { dataDir, effectsFile } = site;
      expect(await untruths({ dataDir, effectsFile, accepted: [...running, ...later] })).toEqual([]);
    },
  );
});
