import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClaimedJob } from '../../src/contract/worker.ts';
import { BareWorker } from '../lib/bare-worker.ts';
import { submitAll, times } from '../lib/jobs.ts';
import { Chance, seeds } from '../lib/rounds.ts';
import { Site } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const backlog = process.env['BLIXARD_TEST_LONG'] === '1' ? 50_000 : 5_000;
const claimedAtOnce = 10;
const turns = 20;

describe('a tenant with a backlog, beside one with a job now and then', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  it.each(seeds())(
    'does not keep the small one waiting: its job is among the next (seed %i)',
    async (seed) => {
      const chance = new Chance('noisy-neighbour', seed);
      const server = await site.start('server', { BLIXARD_LEASE: '60s', BLIXARD_LOG_LEVEL: 'warn' });
      const client = site.client();
      await client.call('setQueue', { params: { name: 'default' }, body: { fairBy: 'tenant' } });
      const accepted = await submitAll(
        client,
        times(backlog, () => ({ command: ['true'], tenant: 'large' })),
      );
      const worker = await BareWorker.register(client, { queues: ['default'], slots: 1_000 });
      let held: readonly ClaimedJob[] = await worker.work([], claimedAtOnce, 1_000);
      for (let turn = 0; turn < turns; turn++) {
        const [small = ''] = await submitAll(client, [{ command: ['true'], tenant: 'small' }]);
        accepted.push(small);
        // Its turn comes at the latest with the second claim: one of each tenant by turns.
        let overtakenBy = 0;
        for (let isClaimed = false; !isClaimed; ) {
          await worker.start(held);
          held = await worker.work(held, chance.between(2, claimedAtOnce + 1), 1_000);
          const place = held.findIndex(({ jobId }) => jobId === small);
          isClaimed = place >= 0;
          overtakenBy += isClaimed ? place : held.length;
          expect(overtakenBy).toBeLessThanOrEqual(claimedAtOnce);
        }
      }
      await worker.leave();
      await client.close();
      expect(await server.end('SIGTERM')).toBe(0);
      expect(await untruths({ dataDir: site.dataDir, accepted })).toEqual([]);
    },
  );
});
