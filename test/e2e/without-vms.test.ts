import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Site, until } from '../lib/system.ts';

let site: Site;
let otherDir: string;
beforeEach(async () => {
  site = await Site.make();
  otherDir = await mkdtemp(join(tmpdir(), 'blixard-other-'));
});
afterEach(async () => {
  await site.remove();
  await rm(otherDir, { recursive: true });
});

it('without VMs a job waits and says why, the rest works, and it runs as soon as a worker with VMs joins', async () => {
  await site.start('up', { SKIP_VM_MANAGER: '1' });
  const client = site.client();
  const job = await client.call('submitJob', { body: { command: ['uname', '-r'] } });
  const other = await client.call('submitJob', { body: { command: ['true'] } });

  const waiting = await until('the job says why it waits', async () => {
    const now = await client.call('getJob', { params: { id: job.id } });
    return now.waiting?.includes('SKIP_VM_MANAGER') === true && now;
  });
  expect(waiting.state).toBe('pending');
  expect(waiting.waiting).toMatch(/^No online worker can run the executor microvm: .*SKIP_VM_MANAGER is 1/);
  expect(await client.call('cancelJob', { params: { id: other.id }, body: {} })).toMatchObject({
    state: 'cancelled',
  });
  expect(await client.call('retryJob', { params: { id: other.id }, body: {} })).toMatchObject({
    state: 'pending',
  });
  expect((await client.call('listWorkers')).workers).toMatchObject([
    {
      state: 'online',
      executors: [{ name: 'microvm', unavailable: expect.stringContaining('SKIP_VM_MANAGER') }],
    },
  ]);

  site.spawn(['worker'], { BLIXARD_DATA_DIR: otherDir });
  for (const { id } of [job, other]) {
    const ended = await client.call('getJob', { params: { id }, query: { waitMs: 60_000 } });
    expect(ended).toMatchObject({ state: 'completed', exitCode: 0 });
  }
  const { records } = await client.readLogs(job.id);
  expect(records.map((record) => record.data.toString()).join('')).toMatch(/cloud-amd64\n$/);
  await client.close();
});
