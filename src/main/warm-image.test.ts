import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { addImage } from '../image/image-scene.suite.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { lockDirectory } from '../platform/directory-lock.ts';
import { silentLog } from '../platform/log.ts';
import { makeIds, realRandom } from '../platform/random.ts';
import { loadConfig } from './config.ts';
import { openDataDir } from './data-dir.ts';
import { startUp } from './up.ts';
import { warmImage } from './warm-image.ts';

const size = { memoryMiB: 128, vcpus: 1 };
const speed = 1_000;
/** Two minutes are a moment. */
const quickClock: Clock = {
  ...realClock,
  monotonicMs: () => realClock.monotonicMs() * speed,
  after: (delayMs, fire) => realClock.after(delayMs / speed, fire),
};

let dir: string;
let dataDir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-warm-'));
  dataDir = join(dir, 'data');
  await openDataDir(dataDir);
  await addImage(dir, 'base', 'latest');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function depsWith(clock: Clock, steps: string[] = []) {
  const flags = { 'data-dir': dataDir, 'images-dir': dir, port: '0' };
  const { values: config } = await loadConfig({ flags, env: {}, cwd: dir });
  return {
    ...{ config, version: '0', env: { SKIP_VM_MANAGER: 'yes' }, clock, random: realRandom },
    ...{ ids: makeIds(realClock, realRandom), log: silentLog },
    step: (title: string) => void steps.push(title),
  };
}

it('an image that is not there, or a size that cannot be, is told before anything else', async () => {
  const steps: string[] = [];
  const deps = await depsWith(realClock, steps);
  await expect(warmImage(deps, 'absent', size)).rejects.toMatchObject({
    code: 'IMAGE_MISSING',
    details: { image: 'absent:latest', known: 'base:latest' },
  });
  await expect(warmImage(deps, 'No Name', size)).rejects.toMatchObject({ code: 'USAGE' });
  await expect(warmImage(deps, 'base', { ...size, memoryMiB: 1 })).rejects.toMatchObject({ code: 'USAGE' });
  expect(steps).toEqual([]);
  expect(await readdir(dataDir)).toEqual([]);
});

it('where a worker runs, it is the worker that says why; where none does, it is this process', async () => {
  const deps = await depsWith(realClock);
  const env = { SKIP_VM_MANAGER: 'of the worker' };
  const node = await startUp({ ...deps, env });
  const reason = (text: string) => ({ code: 'VM_MANAGER_UNAVAILABLE', details: { reason: text } });
  await expect(warmImage(deps, 'base', size)).rejects.toMatchObject(
    reason('SKIP_VM_MANAGER is of the worker'),
  );
  await node.kill();
  await expect(warmImage(deps, 'base', size)).rejects.toMatchObject(reason('SKIP_VM_MANAGER is yes'));
});

it('waits for a process that has the VMs and takes no orders, not for ever, and goes on when it is gone', async () => {
  const lock = await lockDirectory(join(dataDir, 'vms'), 'vms');
  const steps: string[] = [];
  await expect(warmImage(await depsWith(quickClock, steps), 'base', size)).rejects.toMatchObject({
    code: 'TEMPLATE_FAILED',
    message: expect.stringContaining('takes no orders'),
  });
  expect(steps).toEqual([`Waiting: another process of this host has the VMs of ${dataDir}`]);
  const step = () => void lock?.release();
  const waiting = warmImage({ ...(await depsWith(realClock)), step }, 'base', size);
  await expect(waiting).rejects.toMatchObject({ code: 'VM_MANAGER_UNAVAILABLE' });
});
