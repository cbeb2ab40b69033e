import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Site } from '../lib/system.ts';
import { baseImage } from './real-vms.ts';

const env = { BLIXARD_TEMPLATES: 'on', BLIXARD_POOL_TARGET: '0' };
let site: Site;
beforeAll(async () => {
  await baseImage();
  site = await Site.makeMeasured();
});
afterAll(() => site.remove());

const warm = (...args: string[]) => site.cli(['image', 'warm', ...args], { env });
const templates = () => readdir(join(site.dataDir, 'templates'));

it('image warm has a running worker build the template that the next job is restored from', async () => {
  const up = await site.start('up', env);
  const missing = await warm('absent');
  expect(missing).toMatchObject({
    code: 69,
    stderr: expect.stringContaining('image absent:latest is not in'),
  });
  const warmed = await warm('base', '-m', '96m');
  expect(warmed.stderr).toBe(
    ['Asking the worker that runs on this host', 'Booting a VM of base:latest with 96 MiB and 1 CPU']
      .concat('Rehearsing a job in it', 'Saving its memory')
      .map((step) => `blixard: ${step}\n`)
      .join(''),
  );
  expect(warmed.code).toBe(0);
  const [, key] = /^base {2}\S+ \S+ {2}(\S+)\n$/.exec(warmed.stdout.toString()) ?? [];
  expect(await templates()).toEqual([key]);
  const run = await site.cli(['run', '-m', '96m', '--', 'sh', '-c', 'echo hello']);
  expect(run.stdout.toString()).toBe('hello\n');
  const vms = await jobStarts();
  expect(vms).toEqual(['restore']);
  await up.end('SIGTERM');
  // With no worker there, it is this process that looks, in the same place.
  const again = await warm('base', '-m', '96m');
  expect(again).toMatchObject({ code: 0, stdout: warmed.stdout, stderr: '' });
});

/** How the VMs of all jobs were started. */
async function jobStarts(): Promise<unknown[]> {
  const client = site.client();
  try {
    const { jobs } = await client.call('listJobs', {});
    const told = jobs.map(({ id }) => client.call('listAttempts', { params: { id } }));
    return (await Promise.all(told)).flatMap(({ attempts }) => attempts.map(({ vm }) => vm?.start));
  } finally {
    await client.close();
  }
}
