import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BlixardError, isBlixardError } from '../../src/domain/errors.ts';
import { realClock } from '../../src/platform/clock.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { readEffects } from '../lib/effects.ts';
import { allEnded, submitAll, times } from '../lib/jobs.ts';
import { Chance, pause, seeds } from '../lib/rounds.ts';
import { SmallDisk } from '../lib/small-disk.ts';
import { Site, until } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const ids = makeIds(realClock, realRandom);
const env = { BLIXARD_LEASE: '2s', BLIXARD_HEARTBEAT: '500ms' };
const probe = SmallDisk.mount(1);
probe?.unmount();

describe.skipIf(probe === undefined)('the disk of the control node is full', () => {
  let site: Site;
  let disk: SmallDisk | undefined;
  beforeEach(async () => {
    site = await Site.make();
    disk = SmallDisk.mount(24);
  });
  afterEach(async () => {
    await site.remove();
    disk?.unmount();
  });

  it.each(seeds())(
    'it says so, loses nothing it accepted, and goes on when there is room (seed %i)',
    async (seed) => {
      if (disk === undefined) throw new Error('no small disk any more');
      const chance = new Chance('disk-full', seed);
      const server = await site.start('server', { ...env, BLIXARD_DATA_DIR: disk.dir });
      const worker = site.spawnScriptWorker();
      const client = site.client();
      const accepted = await submitAll(
        client,
        times(4, () => {
          const ms = `${chance.between(300, 1_500)}`;
          return { command: ['print', 'begun', ';', 'sleep', ms, ';', 'bytes', '5000'] };
        }),
      );
      await until('all run', async () => (await readEffects(site.effectsFile)).length >= 4);
      disk.fill();

      const body = { id: ids(), command: ['exit'] };
      const refusal = await until('a submit is refused', async () => {
        // What the write-ahead log has room for is still taken.
        body.id = ids();
        try {
          accepted.push((await client.call('submitJob', { body })).id);
          return undefined;
        } catch (error) {
          if (isBlixardError(error)) return error as BlixardError;
          throw error;
        }
      });
      expect(refusal).toMatchObject({ code: 'STORE_FULL', entry: { status: 507 } });
      expect(refusal.message).toContain('SQLITE_FULL');
      // What is there can still be read.
      const [first = ''] = accepted;
      expect(await client.call('getJob', { params: { id: first } })).toMatchObject({ id: first });
      await pause(chance.between(0, 5_000));
      disk.free();

      accepted.push((await client.call('submitJob', { body })).id);
      const jobs = await allEnded(client, accepted);
      expect(jobs.filter(({ state }) => state !== 'completed')).toEqual([]);
      for (const job of jobs.slice(0, 4)) {
        const { attempts } = await client.call('listAttempts', { params: { id: job.id } });
        const reasons = attempts.map(({ reason }) => reason);
        expect(reasons).toEqual([...reasons.slice(0, -1).fill('worker_lost'), 'exit']);
        expect(attempts.at(-1)).toMatchObject({ logBytes: 5_005, logMissingBytes: 0 });
      }
      await client.close();
      for (const process of [worker, server]) expect(await process.end('SIGTERM')).toBe(0);
      const { effectsFile } = site;
      expect(await untruths({ dataDir: disk.dir, effectsFile, accepted })).toEqual([]);
    },
  );
});
