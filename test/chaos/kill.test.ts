import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { checkInvariants } from '../../src/store/invariants.suite.ts';
import { openSqlite } from '../../src/store/sqlite/sqlite.ts';
import { type Process, Site, stillAlive, until, vmmsOf } from '../lib/system.ts';

const rounds = process.env['BLIXARD_TEST_LONG'] === '1' ? 20 : 2;
const env = { BLIXARD_LEASE: '3s', BLIXARD_HEARTBEAT: '1s', BLIXARD_SLOTS: '2' };
/** Long enough to be killed in the middle of, short enough to end when it runs again. */
const command = ['sh', '-c', 'echo begun; sleep 2; echo done'];

describe('kill -9, then start again', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
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

  const completed = async (ids: readonly string[]): Promise<number[]> => {
    const client = site.client();
    const attempts: number[] = [];
    for (const id of ids) {
      const job = await until(`job ${id} has ended`, async () => {
        const now = await client.call('getJob', { params: { id }, query: { waitMs: 10_000 } });
        return now.endedAtMs !== null && now;
      });
      expect(job).toMatchObject({ state: 'completed', exitCode: 0, attemptsUsed: 1 });
      const { records } = await client.readLogs(id, { attempt: job.attempt });
      expect(Buffer.concat(records.map((record) => record.data)).toString()).toBe('begun\ndone\n');
      attempts.push(job.attempt);
    }
    await client.close();
    return attempts;
  };

  const afterwards = async (process: Process): Promise<void> => {
    await until('no VM runs', async () => (await vmmsOf(process.pid)).length === 0);
    await until(
      'no folder of a VM is left',
      async () => (await readdir(join(site.dataDir, 'vms'))).length === 0,
    );
  };

  const invariantsHold = async (): Promise<void> => {
    const db = await openSqlite({ file: join(site.dataDir, 'blixard.db'), clock: realClock, log: silentLog });
    try {
      expect(await checkInvariants(db)).toEqual([]);
    } finally {
      await db.close();
    }
  };

  it.each(Array.from({ length: rounds }, (_, round) => round))(
    'of the whole `up` in the middle of jobs: they run again and no VM is left (round %i)',
    async (round) => {
      const first = await site.start('up', env);
      const ids = await submit(3);
      // At a different moment of boot and run in each round.
      await new Promise((resolve) => setTimeout(resolve, 300 + ((round * 997) % 3_700)));
      const vmms = await vmmsOf(first.pid);
      await first.end('SIGKILL');
      await until('its VMs died with it', async () => (await stillAlive(vmms)).length === 0, 5_000);
      const second = await site.start('up', env);
      await completed(ids);
      await afterwards(second);
      expect(await second.end('SIGTERM')).toBe(0);
      await invariantsHold();
    },
  );

  it.each(Array.from({ length: rounds }, (_, round) => round))(
    'of a worker in the middle of jobs: another process of it takes them up at once (round %i)',
    async (round) => {
      const server = await site.start('server', env);
      const worker = site.spawn(['worker'], env);
      const ids = await submit(2);
      await until('a VM runs', async () => (await vmmsOf(worker.pid)).length > 0);
      await new Promise((resolve) => setTimeout(resolve, (round * 997) % 3_500));
      const vmms = await vmmsOf(worker.pid);
      await worker.end('SIGKILL');
      await until('its VMs died with it', async () => (await stillAlive(vmms)).length === 0, 5_000);
      const again = site.spawn(['worker'], env);
      await completed(ids);
      await afterwards(again);
      expect(await again.end('SIGTERM')).toBe(0);
      expect(await server.end('SIGTERM')).toBe(0);
      await invariantsHold();
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
