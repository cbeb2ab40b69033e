import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Process, Site, stillAlive, until, vmmsOf } from '../lib/system.ts';

const rounds = process.env['BLIXARD_TEST_LONG'] === '1' ? 20 : 2;
const env = {
  BLIXARD_TEMPLATES: 'on',
  BLIXARD_POOL_MIN: '2',
  BLIXARD_POOL_TARGET: '2',
  BLIXARD_BOOT_TIMEOUT: '60s',
};

describe('kill -9 of a worker that keeps VMs ready', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  const foldersOf = (name: string): Promise<string[]> => readdir(join(site.dataDir, name));

  const isFull = async (up: Process): Promise<boolean> => (await vmmsOf(up.pid)).length === 2;

  /** How the VM of a job was started. */
  const run = async (): Promise<string | undefined> => {
    const client = site.client();
    const { id } = await client.call('submitJob', { body: { command: ['true'] } });
    await until('the job has ended', async () => {
      const job = await client.call('getJob', { params: { id }, query: { waitMs: 10_000 } });
      return job.state === 'completed';
    });
    const { attempts } = await client.call('listAttempts', { params: { id } });
    await client.close();
    return attempts[0]?.vm?.start;
  };

  it('at any moment: its VMs die with it, the next one sweeps, finds the template and fills the pool', async () => {
    const first = await site.start('up', env);
    await until('the template is there', async () =>
      (await foldersOf('templates')).some((name) => name.length === 64),
    );
    let up = first;
    for (let round = 0; round < rounds; round++) {
      // From the middle of a restore to a pool that is full.
      await new Promise((resolve) => setTimeout(resolve, (round * 997) % 1_500));
      const vmms = await vmmsOf(up.pid);
      await up.end('SIGKILL');
      await until('its VMs died with it', async () => (await stillAlive(vmms)).length === 0, 5_000);
      up = await site.start('up', env);
    }
    await until('the pool is full', () => isFull(up));
    const client = site.client();
    await until('the server knows them', async () => (await client.call('getVmStats')).byUse.pool === 2);
    await client.close();
    expect(await until('a job is given a VM of the pool', async () => (await run()) === 'pool')).toBe(true);
    expect(await up.end('SIGTERM')).toBe(0);
    expect(await foldersOf('vms')).toEqual([]);
    expect((await foldersOf('templates')).filter((name) => name.length !== 64)).toEqual([]);
  });

  it('in the middle of building a template: what is half-built is swept, and built anew', async () => {
    const first = await site.start('up', env);
    await until('a template is being built', async () =>
      (await foldersOf('templates')).some((name) => name.startsWith('building-')),
    );
    const vmms = await vmmsOf(first.pid);
    await first.end('SIGKILL');
    await until('its VM died with it', async () => (await stillAlive(vmms)).length === 0, 5_000);
    const left = await foldersOf('templates');
    const second = await site.start('up', env);
    await until(
      'it is swept',
      async () => !(await foldersOf('templates')).some((name) => left.includes(name)),
    );
    expect(await run()).toBeDefined();
    await until('the template is there', async () =>
      (await foldersOf('templates')).some((name) => name.length === 64),
    );
    expect(await second.end('SIGTERM')).toBe(0);
    expect(await foldersOf('vms')).toEqual([]);
  });
});
