import { watch } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ImageStore } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { openHostVms } from '../../src/worker/host-vms.ts';
import { imagesDir, vmmsOf } from '../lib/system.ts';
import { baseImage } from './real-vms.ts';

const count = Number(process.env['BLIXARD_TEST_RESTORES'] ?? 1_000);
const never = new AbortController().signal;

it(`restores ${count} VMs, all right, no random bytes twice, nothing left`, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'blixard-restores-'));
  await baseImage();
  const pool = { min: 0, target: 0, max: 0, memoryMiB: 0, coolDownMs: 1 };
  // The event loop keeps one descriptor for all watches, from the first of them on.
  watch(dataDir).close();
  const openBefore = (await readdir('/proc/self/fd')).length;
  const vms = await openHostVms({
    config: {
      ...{ dataDir, accel: 'auto', vmsMax: 4, bootTimeoutMs: 60_000 },
      fastStarts: { templates: 'on', templateBytesMax: 1024 ** 3, pool },
    },
    images: new ImageStore({ dir: imagesDir }),
    env: {},
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: silentLog,
  });
  await vms.warm({ image: 'base', memoryMiB: 128, vcpus: 1 });
  const seen = new Set<string>();
  const starts: Record<string, number> = {};
  let left = count;
  const restoreOneAfterAnother = async (): Promise<void> => {
    while (left-- > 0) {
      const vm = await vms.start({ image: 'base', memoryMiB: 128, vcpus: 1 }, never);
      starts[vm.facts.start] = (starts[vm.facts.start] ?? 0) + 1;
      let bytes = '';
      const output = async (_: string, data: Buffer): Promise<void> => {
        bytes += data.toString('hex');
      };
      const argv = ['head', '-c', '16', '/dev/urandom'];
      const spec = { argv, env: ['PATH=/usr/bin:/bin'], cwd: '/', uid: 0 };
      expect(await vm.exec(spec, { stdin: Buffer.alloc(0), output }).exited).toMatchObject({ code: 0 });
      expect(bytes).toMatch(/^[0-9a-f]{32}$/);
      seen.add(bytes);
      await vms.kill(vm.id);
    }
  };
  await Promise.all([restoreOneAfterAnother(), restoreOneAfterAnother()]);
  expect(starts).toEqual({ restore: count });
  expect(seen.size).toBe(count);
  // There is a spare for the next one.
  await vms.close();
  expect(vms.count()).toBe(0);
  expect(await readdir(join(dataDir, 'vms'))).toEqual([]);
  expect(await vmmsOf(process.pid)).toEqual([]);
  expect((await readdir('/proc/self/fd')).length).toBeLessThanOrEqual(openBefore);
  expect(await readdir(join(dataDir, 'templates'))).toHaveLength(1);
  await rm(dataDir, { recursive: true });
});
