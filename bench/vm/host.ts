/** The VMs of a host as a worker has them, without worker and control node. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImageStore } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import type { MicroVm } from '../../src/vm/micro-vm.ts';
import type { VmService } from '../../src/vm/vm-service.ts';
import { openHostVms } from '../../src/worker/host-vms.ts';
import { imagesDir } from '../../test/lib/system.ts';

export const order = { image: 'base', memoryMiB: 128, vcpus: 1 };
export const never = new AbortController().signal;
const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'];

/** Runs `act` on a host whose template is built and whose pool keeps `pooled` VMs; everything is gone afterwards. */
export async function withHost(
  pooled: number,
  act: (vms: VmService, dataDir: string) => Promise<void>,
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'blixard-bench-host-'));
  const pool = { min: pooled, target: pooled, max: pooled, memoryMiB: 100_000, coolDownMs: 3_600_000 };
  const vms = await openHostVms({
    config: {
      ...{ dataDir, accel: 'tcg', vmsMax: pooled + 4, bootTimeoutMs: 30_000 },
      fastStarts: { templates: 'on', templateBytesMax: 1_024 ** 3, pool },
    },
    images: new ImageStore({ dir: imagesDir }),
    env: {},
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: silentLog,
  });
  try {
    await vms.warm(order);
    await act(vms, dataDir);
  } finally {
    await vms.close();
    await rm(dataDir, { recursive: true });
  }
}

/** Waits until the pool keeps this many, and nothing is on its way. */
export async function untilPooled(vms: VmService, count: number): Promise<void> {
  for (let pool = vms.pooled(); pool.idle < count || pool.preparing > 0; pool = vms.pooled()) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The one command of a VM; throws when it did not end well. */
export async function runIn(vm: MicroVm, ...argv: string[]): Promise<string> {
  let text = '';
  const output = async (_: string, data: Buffer): Promise<void> => {
    text += data.toString();
  };
  const { exited } = vm.exec({ argv, env, cwd: '/root', uid: 0 }, { stdin: new Uint8Array(), output });
  const { code } = await exited;
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}`);
  return text;
}
