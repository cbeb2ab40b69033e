import { rm } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { QemuHypervisor } from '../../src/hypervisor/qemu/qemu.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { baseImage, bootMany, makeSpecs, told } from './real-vms.ts';

it('boots 200 VMs, two at a time, and none hangs', async () => {
  const hypervisor = new QemuHypervisor({ clock: realClock, log: silentLog, accel: 'auto' });
  const specs = await makeSpecs(await baseImage());
  const { helloMs, hung } = await bootMany(hypervisor, specs, 200);
  await rm(specs.runDir, { recursive: true });
  process.stderr.write(`${told(helloMs)}\n`);
  expect(hung).toEqual([]);
  expect(helloMs).toHaveLength(200);
});
