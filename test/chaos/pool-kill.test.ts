import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VmFacts } from '../../src/contract/job.ts';
import { readTextIfThere } from '../../src/platform/files.ts';
import { type Process, Site, stillAlive, until, vmmsOf } from '../lib/system.ts';

const rounds = process.env['BLIXARD_TEST_LONG'] === '1' ? 20 : 2;
const env = {
  BLIXARD_TEMPLATES: 'on',
  BLIXARD_POOL_MIN: '2',
  BLIXARD_POOL_TARGET: '2',
  BLIXARD_BOOT_TIMEOUT: '60s',
};
const withoutPool = { ...env, BLIXARD_POOL_MIN: '0', BLIXARD_POOL_TARGET: '0' };

describe('kill -9 of a worker that keeps VMs ready', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  const foldersOf = (name: string): Promise<string[]> => readdir(join(site.dataDir, name));

  const isFull = async (up: Process): Promise<boolean> => (await vmmsOf(up.pid)).length === 2;

  /** The VM of a job, and how it was started. */
  const vmOf = async (): Promise<VmFacts | null | undefined> => {
    const client = site.client();
    const { id } = await client.call('submitJob', { body: { command: ['true'] } });
    await until('the job has ended', async () => {
      const job = await client.call('getJob', { params: { id }, query: { waitMs: 10_000 } });
      return job.state === 'completed';
    });
    const { attempts } = await client.call('listAttempts', { params: { id } });
    await client.close();
    return attempts[0]?.vm;
  };
  const run = async () => (await vmOf())?.start;

  /** The VM that waits for the next job, once that of the last one is gone. */
  const spareAfter = async (jobVmId: string | undefined): Promise<string> => {
    let ids: readonly string[] = [];
    await until('a spare waits', async () => {
      ids = await foldersOf('vms');
      const record = join('vms', ids[0] ?? '', 'vm.json');
      const text = await readTextIfThere(join(site.dataDir, record));
      return ids.length === 1 && ids[0] !== jobVmId && text?.includes('startTicks') === true;
    });
    return ids[0] ?? '';
  };

  /** Without a pool a job gets the spare of the one before; killed with its worker it is swept, and ends with it. */
  const expectSpares = async (): Promise<void> => {
    const first = await site.start('up', withoutPool);
    const restored = await vmOf();
    expect(restored?.start).toBe('restore');
    const spare = await spareAfter(restored?.vmId);
    expect(await vmOf()).toMatchObject({ vmId: spare, start: 'restore' });
    const next = await spareAfter(spare);
    const vmms = await vmmsOf(first.pid);
    expect(vmms).toHaveLength(1);
    await first.end('SIGKILL');
    await until('it died with its worker', async () => (await stillAlive(vmms)).length === 0, 5_000);
    expect(await foldersOf('vms')).toEqual([next]);
    const second = await site.start('up', withoutPool);
    await until('it is swept', async () => (await foldersOf('vms')).length === 0);
    await spareAfter((await vmOf())?.vmId);
    expect(await second.end('SIGTERM')).toBe(0);
    expect(await foldersOf('vms')).toEqual([]);
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
    await expectSpares();
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
