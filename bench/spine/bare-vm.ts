/** One VM without the system around it: what a boot and a command cost by themselves. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaults } from '../../src/domain/defaults.ts';
import { QemuHypervisor } from '../../src/hypervisor/qemu/qemu.ts';
import { type Image, ImageStore } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { GuestSession } from '../../src/vm/guest-session.ts';
import { tscKhzOfCpuinfo } from '../../src/vm/tsc.ts';
import { imagesDir } from '../../test/lib/system.ts';

const bootTimeoutMs = 20_000;
const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'];

export interface BareTimes {
  /** Spawn of QEMU to the agent's hello. */
  readonly helloMs: number;
  /** Spawn of QEMU to the end of `true`. */
  readonly exitMs: number;
}

export async function baseImage(): Promise<Image> {
  const image = await new ImageStore({ dir: imagesDir }).find(defaults.image);
  if (image === undefined) throw new Error('there is no base image: npm run setup');
  return image;
}

export async function hostTscKhz(): Promise<number | undefined> {
  return tscKhzOfCpuinfo(await readFile('/proc/cpuinfo', 'utf8'));
}

/** Boots a VM of the base image, runs `true` in it and kills it. */
export async function bareRun(image: Image, tscKhz: number | undefined): Promise<BareTimes> {
  const ids = makeIds(realClock, realRandom);
  const runDir = await mkdtemp(join(tmpdir(), 'blixard-bench-vm-'));
  const hypervisor = new QemuHypervisor({ clock: realClock, log: silentLog, accel: 'tcg', sandbox: 'off' });
  await hypervisor.capabilities();
  const start = performance.now();
  const vm = await hypervisor.start({
    id: ids(),
    memoryMiB: defaults.memoryMiB,
    vcpus: 1,
    kernelPath: image.kernelPath,
    initrdPath: image.initrdPath,
    rootPath: image.rootPath,
    rootFsType: image.rootFsType,
    runDir,
    ...(tscKhz === undefined ? {} : { tscKhz }),
  });
  try {
    const session = new GuestSession({ channel: vm.channel, clock: realClock, token: ids() });
    await session.hello(bootTimeoutMs);
    const helloMs = performance.now() - start;
    const output = async (): Promise<void> => undefined;
    await session.exec({ argv: ['true'], env, cwd: '/root', uid: 0 }, { stdin: new Uint8Array(), output })
      .exited;
    return { helloMs, exitMs: performance.now() - start };
  } finally {
    await vm.kill();
    await rm(runDir, { recursive: true });
  }
}
