import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEffects } from '../lib/effects.ts';
import { Chance, pause, seeds } from '../lib/rounds.ts';
import { type Process, Site, until } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const leaseMs = 2_000;
/** The lease runs from the worker's last word; looking, and a busy machine, take their time too. */
const slackMs = 3_000;
const env = { BLIXARD_LEASE: `${leaseMs}ms`, BLIXARD_HEARTBEAT: '500ms' };
/** Where the worker dies: at a place in the code, or at whatever it does at some moment. */
const places = ['attempt-claimed', 'attempt-ended', 'any', 'attempt-started'] as const;

describe('a worker that dies by kill -9 in the middle of jobs, while another one lives', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  const worker = (name: string, more = {}): Process =>
    site.spawnScriptWorker({ BLIXARD_DATA_DIR: join(site.dataDir, name), BLIXARD_TEST_SLOTS: '3', ...more });

  it.each(seeds())(
    'loses nothing: what it held is told worker_lost and runs again (seed %i)',
    async (seed) => {
      const chance = new Chance('worker-kill', seed);
      const place = places[seed % places.length] ?? 'any';
      const server = await site.start('server', env);
      const failpoint = place === 'any' ? {} : { BLIXARD_FAILPOINT: `${place}:kill:${chance.between(1, 4)}` };
      const dying = worker('dying', failpoint);
      const client = site.client();
      const accepted = await Promise.all(
        Array.from({ length: 12 }, async () => {
          const command = [
            'print',
            'begun',
            ';',
            'sleep',
            `${chance.between(50, 900)}`,
            ';',
            'print',
            'done',
          ];
          return (await client.call('submitJob', { body: { command } })).id;
        }),
      );
      if (place === 'any') {
        await until('a job has begun', async () => (await readEffects(site.effectsFile)).length > 0);
        await pause(chance.between(0, 800));
        await dying.end('SIGKILL');
      } else await until(`it died at ${place}`, async () => dying.hasEnded);
      expect(dying.child.signalCode).toBe('SIGKILL');
      const diedAtMs = Date.now();
      const living = worker('living');

      let lost = 0;
      for (const id of accepted) {
        const job = await client.call('getJob', { params: { id }, query: { waitMs: 30_000 } });
        expect(job).toMatchObject({ state: 'completed', exitCode: 0 });
        const { attempts } = await client.call('listAttempts', { params: { id } });
        for (const attempt of attempts.slice(0, -1)) {
          lost++;
          expect(attempt).toMatchObject({ state: 'ended', reason: 'worker_lost' });
          expect(attempt.endedAtMs).toBeLessThan(diedAtMs + leaseMs + slackMs);
        }
      }
      expect(lost).toBeGreaterThan(0);
      await client.close();
      expect(await living.end('SIGTERM')).toBe(0);
      expect(await server.end('SIGTERM')).toBe(0);
      const { dataDir, effectsFile } = site;
      expect(await untruths({ dataDir, effectsFile, accepted })).toEqual([]);
    },
  );
});
