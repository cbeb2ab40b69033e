/** What tests with real VMs share: the base image, orders for VMs, and a boot that is timed. */
import { readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChannelClient } from '../../src/hypervisor/channel-client.suite.ts';
import type { Hypervisor, VmSpec } from '../../src/hypervisor/hypervisor.ts';
import { buildImage } from '../../src/image/build-image.ts';
import { type ImageWish, imageOrder } from '../../src/image/image-order.ts';
import type { Image } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { imagesDir } from '../lib/system.ts';

/** The sources of the guest agent. */
export const guestDir = fileURLToPath(new URL('../../guest', import.meta.url));

const ids = makeIds(realClock, realRandom);

/** The base image of these agent sources; built when there is none. */
export function baseImage(agentSourceDir = guestDir): Promise<Image> {
  return builtImage({ image: 'base' }, { agentSourceDir });
}

/** An image for tests, built when there is none of its inputs. */
export function builtImage(
  wish: ImageWish,
  { dir = imagesDir, agentSourceDir = guestDir } = {},
): Promise<Image> {
  const progress = { step: (title: string) => process.stderr.write(`${title}\n`) };
  return buildImage({ dir, agentSourceDir, progress, clock: realClock }, imageOrder(wish));
}

/** Makes orders for VMs of an image, which share a folder to run in. */
export async function makeSpecs(image: Image): Promise<{ runDir: string; next(): VmSpec }> {
  const runDir = await mkdtemp(join(tmpdir(), 'blixard-e2e-'));
  const { kernelPath, initrdPath, rootPath, rootFsType } = image;
  const files = { kernelPath, initrdPath, rootPath, rootFsType, runDir };
  return { runDir, next: () => ({ ...files, id: ids(), memoryMiB: 128, vcpus: 1, tscKhz: cpuinfoTscKhz() }) };
}

/** A boot may take this long on a host with much else to do; without the TSC rate one in five takes for ever. */
const bootLimitMs = 30_000;

/**
 * Boots `count` VMs, two at a time, and ends them. Resolves with the time from start to hello of each, in ms, and
 * with the consoles of those that did not say hello in time.
 */
export async function bootMany(hypervisor: Hypervisor, specs: { next(): VmSpec }, count: number) {
  const helloMs: number[] = [];
  const hung: string[] = [];
  let left = count;
  const bootOneAfterAnother = async (): Promise<void> => {
    while (left-- > 0) {
      const startedMs = realClock.monotonicMs();
      const vm = await hypervisor.start(specs.next());
      const limit = realClock.after(bootLimitMs, () => vm.channel.destroy());
      const hello = await new ChannelClient(vm.channel).hello().catch((error: Error) => error);
      limit.cancel();
      if (hello instanceof Error) hung.push(`${hello.message}: ${vm.console()}`);
      else helloMs.push(realClock.monotonicMs() - startedMs);
      await vm.kill();
    }
  };
  await Promise.all([bootOneAfterAnother(), bootOneAfterAnother()]);
  return { helloMs: helloMs.sort((a, b) => a - b), hung };
}

/** One line for whoever reads the test's output. */
export function told(helloMs: readonly number[]): string {
  const at = (share: number): string =>
    `${Math.round(helloMs[Math.floor(share * (helloMs.length - 1))] ?? 0)}`;
  return `${helloMs.length} boots, start to hello in ms: best ${at(0)}, median ${at(0.5)}, worst ${at(1)}`;
}

/** Right where the counter has its nominal rate, as in VMs; good enough to boot with everywhere. */
function cpuinfoTscKhz(): number {
  const megahertz = /^cpu MHz\s*:\s*([\d.]+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
  return Math.round(Number(megahertz) * 1_000);
}
