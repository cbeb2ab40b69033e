import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Failpoint, failpointEnv } from '../../src/platform/failpoint.ts';
import { allEnded, submitAll } from '../lib/jobs.ts';
import { cgroupsOf, vmFoldersUnder, vmmsUnder } from '../lib/leftovers.ts';
import { Chance, pause } from '../lib/rounds.ts';
import { type Env, Site, until } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const isLong = process.env['BLIXARD_TEST_LONG'] === '1';
/** After so many kills one start is left in peace. */
const kills = isLong ? 5 : 2;
const rounds = Array.from({ length: isLong ? 10 : 1 }, (_, round) => round + 1);
const env = {
  BLIXARD_LEASE: '60s',
  BLIXARD_HEARTBEAT: '1s',
  BLIXARD_SLOTS: '2',
  BLIXARD_BOOT_TIMEOUT: '45s',
};
/** How VMs are started: booted, restored, taken from a pool. */
const ways: readonly [Env, Env, Env] = [
  { BLIXARD_TEMPLATES: 'off' },
  { BLIXARD_TEMPLATES: 'on', BLIXARD_POOL_TARGET: '0' },
  { BLIXARD_TEMPLATES: 'on', BLIXARD_POOL_TARGET: '1' },
];
const places: readonly [Failpoint | 'any', ...(Failpoint | 'any')[]] = [
  'vm-greeted',
  'vm-ended',
  'any',
  'vm-recorded',
  'vm-spawned',
  'attempt-started',
  'attempt-ended',
];
/** A place that is not passed in time is as good a moment as any. */
const patienceMs = 8_000;
/** Well below the lease: that an attempt was lost is known from the next start. */
const toldWithinMs = 20_000;

describe('kill -9 of `up` at random points of boot, restore, run and stop', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.makeMeasured();
  });
  afterEach(() => site.remove());

  const vmIds = new Set<string>();
  const accepted: string[] = [];

  const killOnce = async (
    place: Failpoint | 'any',
    nth: number,
    afterMs: number,
    way: Env,
  ): Promise<void> => {
    const armed = place === 'any' ? {} : { [failpointEnv]: `${place}:kill:${nth}` };
    const up = site.spawn(['up'], { ...env, ...way, ...armed });
    const client = site.client();
    await until('it answers', async () => up.hasEnded || client.call('listWorkers').catch(() => undefined));
    const jobs = [{ command: ['sh', '-c', 'echo begun; sleep 0.2'] }];
    // It may die before it answers.
    accepted.push(...(await submitAll(client, jobs).catch(() => [])));
    await client.close();
    if (place === 'any') await pause(afterMs);
    else await until('it died', async () => up.hasEnded, patienceMs).catch(() => undefined);
    await up.end('SIGKILL');
    for (const id of await vmFoldersUnder(site.dataDir)) vmIds.add(id);
    await until(`its VMs died with it, at ${place}`, async () => (await running()).length === 0, 5_000);
  };

  /**
   * Bubblewrap that is killed between its clone and its word to it leaves a process that waits for that word and runs
   * nothing: the next start ends it.
   */
  const running = async (): Promise<string[]> =>
    (await vmmsUnder(site.dataDir)).filter((line) => !line.endsWith(' bwrap'));

  const leftInPeace = async (): Promise<void> => {
    const up = await site.start('up', { ...env, BLIXARD_TEMPLATES: 'off' });
    const startedAtMs = Date.now();
    await until('all that was left is removed', async () => {
      const folders = await vmFoldersUnder(site.dataDir);
      return folders.every((id) => !vmIds.has(id)) && (await cgroupsOf([...vmIds])).length === 0;
    });
    const client = site.client();
    for (const job of await allEnded(client, accepted)) {
      expect(job).toMatchObject({ state: 'completed', exitCode: 0, attemptsUsed: 1 });
      const { attempts } = await client.call('listAttempts', { params: { id: job.id } });
      for (const lost of attempts.slice(0, -1)) {
        expect(lost).toMatchObject({ state: 'ended', reason: 'worker_lost' });
        expect(lost.endedAtMs).toBeLessThan(startedAtMs + toldWithinMs);
      }
    }
    await client.close();
    // Told to end while it starts, it ends at once.
    await until('it has started', async () => up.output.includes('Run something'));
    expect(await up.end('SIGTERM')).toBe(0);
    expect(await readdir(join(site.dataDir, 'vms'))).toEqual([]);
    expect(await vmmsUnder(site.dataDir)).toEqual([]);
    expect(await untruths({ dataDir: site.dataDir, accepted })).toEqual([]);
  };

  it.each(rounds)(
    `${kills} times: the next start ends and removes all that was left (seed %i)`,
    async (seed) => {
      const chance = new Chance('vm-kill', seed);
      accepted.length = 0;
      if (isLong)
        expect(await site.cli(['image', 'warm', 'base'], { env: ways[1] })).toMatchObject({ code: 0 });
      for (let kill = 0; kill < kills; kill++) {
        const place = isLong ? chance.of(places) : (places[kill] ?? 'any');
        const way = isLong ? chance.of(ways) : ways[0];
        await killOnce(place, isLong ? chance.between(1, 3) : 1, chance.between(0, 3_000), way);
      }
      expect(vmIds.size).toBeGreaterThan(0);
      await leftInPeace();
    },
  );
});
