import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEffects } from '../lib/effects.ts';
import { allEnded, submitAll, times } from '../lib/jobs.ts';
import { Chance, pause, seeds } from '../lib/rounds.ts';
import { isStopped, Site, stillAlive, until, vmmsOf } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const leaseMs = 1_200;
const env = { BLIXARD_LEASE: `${leaseMs}ms`, BLIXARD_HEARTBEAT: '400ms' };

describe('a worker that stands still for three leases and then goes on', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  it.each(seeds())('is too late: its ends are refused, its jobs ran elsewhere (seed %i)', async (seed) => {
    const chance = new Chance('frozen-worker', seed);
    const server = await site.start('server', env);
    const client = site.client();
    const place = chance.of(['attempt-ended', 'attempt-started', 'log-shipped']);
    const frozen = site.spawnScriptWorker({
      BLIXARD_DATA_DIR: join(site.dataDir, 'frozen'),
      ...(place === 'log-shipped' ? {} : { BLIXARD_FAILPOINT: `${place}:stop` }),
    });
    const accepted = await submitAll(
      client,
      times(4, () => ({ command: ['print', 'here', ';', 'sleep', `${chance.between(300, 800)}`] })),
    );
    if (place === 'log-shipped') {
      await until('all have begun', async () => (await readEffects(site.effectsFile)).length === 4);
      await pause(chance.between(0, 200));
      frozen.child.kill('SIGSTOP');
    } else await until(`it stands still at ${place}`, () => isStopped(frozen.pid));
    const frozenFromMs = Date.now();
    await until('it is taken for lost', async () => {
      const { workers } = await client.call('listWorkers');
      return workers.some(({ state }) => state === 'offline');
    });
    const other = site.spawnScriptWorker({ BLIXARD_DATA_DIR: join(site.dataDir, 'other') });
    const jobs = await allEnded(client, accepted);
    await pause(frozenFromMs + 3 * leaseMs - Date.now());
    frozen.child.kill('SIGCONT');
    await until('it is told', async () => server.output.includes('a stale write was refused'));
    await until('it comes back as a new generation', async () => {
      const { workers } = await client.call('listWorkers');
      return workers.some(({ state, generation }) => state === 'online' && generation === 2);
    });

    const afterwards = await allEnded(client, accepted);
    expect(afterwards).toEqual(jobs);
    for (const { id, state } of jobs) {
      expect(state).toBe('completed');
      const { attempts } = await client.call('listAttempts', { params: { id } });
      const reasons = attempts.map(({ reason }) => reason);
      expect(reasons).toEqual([...reasons.slice(0, -1).fill('worker_lost'), 'exit']);
    }
    expect(jobs.some(({ attempt }) => attempt > 1)).toBe(true);
    await client.close();
    for (const process of [other, frozen, server]) expect(await process.end('SIGTERM')).toBe(0);
    const { dataDir, effectsFile } = site;
    expect(await untruths({ dataDir, effectsFile, accepted })).toEqual([]);
  });

  it.each(seeds())('has its VM killed, since the job is not its own any more (seed %i)', async (seed) => {
    const chance = new Chance('frozen-vm', seed);
    const server = await site.start('server', env);
    const client = site.client();
    const frozen = site.spawn(['worker', '--slots', '1', '--boot-timeout', '45s'], env);
    // A minute in a VM, 60 ms for a script.
    const [id = ''] = await submitAll(client, [{ command: ['sleep', '60'] }]);
    await until('it runs', async () => (await client.call('getJob', { params: { id } })).state === 'running');
    await pause(chance.between(0, 500));
    const vmms = await vmmsOf(frozen.pid);
    expect(vmms).toHaveLength(1);
    frozen.child.kill('SIGSTOP');
    const frozenFromMs = Date.now();
    const other = site.spawnScriptWorker({ BLIXARD_DATA_DIR: join(site.dataDir, 'other') });
    const [job] = await allEnded(client, [id]);
    expect(job).toMatchObject({ state: 'completed', attempt: 2 });
    expect(await stillAlive(vmms)).toEqual(vmms);
    await pause(frozenFromMs + 3 * leaseMs - Date.now());
    frozen.child.kill('SIGCONT');
    await until('its VM is gone', async () => (await stillAlive(vmms)).length === 0, 10_000);
    expect(await client.call('getJob', { params: { id } })).toEqual(job);
    await client.close();
    for (const process of [other, frozen, server]) expect(await process.end('SIGTERM')).toBe(0);
    const { dataDir, effectsFile } = site;
    expect(await untruths({ dataDir, effectsFile, accepted: [id] })).toEqual([]);
  });
});
