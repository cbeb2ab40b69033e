import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vmFoldersUnder, vmmsUnder } from '../lib/leftovers.ts';
import { Chance, pause, seeds } from '../lib/rounds.ts';
import { Site, stillAlive, until, vmmsOf } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const env = { BLIXARD_LEASE: '3s', BLIXARD_HEARTBEAT: '1s', BLIXARD_SLOTS: '2', BLIXARD_BOOT_TIMEOUT: '45s' };
/** Long enough to be killed in the middle of, short enough to end when it runs again. */
const command = ['sh', '-c', 'echo begun; sleep 2; echo done'];

describe('kill -9, then start again', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.makeMeasured();
  });
  afterEach(() => site.remove());

  const submit = async (count: number): Promise<string[]> => {
    const client = site.client();
    const jobs = Array.from({ length: count }, () =>
      client.call('submitJob', { body: { command, attemptsMax: 1 } }),
    );
    const ids = (await Promise.all(jobs)).map((job) => job.id);
    await client.close();
    return ids;
  };

  const outputOf = async (id: string, attempt: number): Promise<string> => {
    const client = site.client();
    const { records } = await client.readLogs(id, { attempt });
    await client.close();
    return Buffer.concat(records.map((record) => record.data)).toString();
  };

  /** All end well; the attempts before the last are told as lost, and what they had written is still there. */
  const completed = async (ids: readonly string[]): Promise<void> => {
    const client = site.client();
    for (const id of ids) {
      const job = await until(`job ${id} has ended`, async () => {
        const now = await client.call('getJob', { params: { id }, query: { waitMs: 10_000 } });
        return now.endedAtMs !== null && now;
      });
      expect(job).toMatchObject({ state: 'completed', exitCode: 0, attemptsUsed: 1 });
      expect(await outputOf(id, job.attempt)).toBe('begun\ndone\n');
      const { attempts } = await client.call('listAttempts', { params: { id } });
      for (const lost of attempts.slice(0, -1)) {
        expect(lost).toMatchObject({ state: 'ended', reason: 'worker_lost' });
        expect(await outputOf(id, lost.attempt)).toMatch(/^(begun\n(done\n)?)?$/);
      }
    }
    await client.close();
  };

  const nothingLeft = async (): Promise<void> => {
    await until('no VM runs', async () => (await vmmsUnder(site.dataDir)).length === 0);
    await until('no folder of a VM is left', async () => (await vmFoldersUnder(site.dataDir)).length === 0);
  };

  it.each(seeds())(
    'of the whole `up` in the middle of jobs: they run again and no VM is left (seed %i)',
    async (seed) => {
      const chance = new Chance('kill-up', seed);
      const first = await site.start('up', env);
      const accepted = await submit(3);
      const [early = ''] = accepted;
      if (seed % 2 === 0) {
        await until('the first has written', async () => (await outputOf(early, 1).catch(() => '')) !== '');
      }
      // At a different moment of boot and run each time.
      await pause(chance.between(0, 1_500));
      const vmms = await vmmsOf(first.pid);
      const before = await outputOf(early, 1).catch(() => '');
      await first.end('SIGKILL');
      await until('its VMs died with it', async () => (await stillAlive(vmms)).length === 0, 5_000);
      const second = await site.start('up', env);
      expect(await outputOf(early, 1).catch(() => '')).toContain(before);
      await completed(accepted);
      await nothingLeft();
      expect(await second.end('SIGTERM')).toBe(0);
      expect(await untruths({ dataDir: site.dataDir, accepted })).toEqual([]);
    },
  );

  it.each(seeds())(
    'of a worker in the middle of jobs: another process of it takes them up at once (seed %i)',
    async (seed) => {
      const server = await site.start('server', env);
      const worker = site.spawn(['worker'], env);
      const accepted = await submit(2);
      await until('a VM runs', async () => (await vmmsOf(worker.pid)).length > 0);
      await pause(new Chance('kill-worker', seed).between(0, 3_000));
      const vmms = await vmmsOf(worker.pid);
      await worker.end('SIGKILL');
      await until('its VMs died with it', async () => (await stillAlive(vmms)).length === 0, 5_000);
      const again = site.spawn(['worker'], env);
      await completed(accepted);
      await nothingLeft();
      expect(await again.end('SIGTERM')).toBe(0);
      expect(await server.end('SIGTERM')).toBe(0);
      expect(await untruths({ dataDir: site.dataDir, accepted })).toEqual([]);
    },
  );

  it('of a worker that stays away: its job is put back when the lease has run out, and says so', async () => {
    await site.start('server', env);
    const worker = site.spawn(['worker'], env);
    const [id = ''] = await submit(1);
    const client = site.client();
    const state = async (): Promise<string> => (await client.call('getJob', { params: { id } })).state;
    await until('the job runs', async () => (await state()) === 'running');
    await worker.end('SIGKILL');
    await until('the job is put back', async () => (await state()) === 'pending', 10_000);
    const { attempts } = await client.call('listAttempts', { params: { id } });
    expect(attempts).toMatchObject([{ attempt: 1, state: 'ended', reason: 'worker_lost' }]);
    const job = await client.call('getJob', { params: { id } });
    expect(job.waiting).toMatch(/no worker|none online/i);
    await client.close();
  });
});
