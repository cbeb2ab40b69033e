/** A host for tests: a data directory, one image of three small files, and fake VMs in fast time. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeHost, FakeHypervisor, type FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import type { Image } from '../image/image-store.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { makeIds, realRandom } from '../platform/random.ts';
import { type OpenVmServiceDeps, openVmService } from './open-vm-service.ts';
import type { VmService } from './vm-service.ts';

const speed = 20;

/** Time that runs 20 times as fast, so that tests may wait for real. */
export const fastClock: Clock = {
  nowMs: () => realClock.nowMs(),
  monotonicMs: () => realClock.monotonicMs() * speed,
  after: (delayMs, fire) => realClock.after(delayMs / speed, fire),
};

export const testIds = makeIds(realClock, realRandom);

export class VmHost {
  readonly dataDir: string;
  image: Image;
  readonly host = new FakeHost();
  /** Every driver made, oldest first. */
  readonly drivers: FakeHypervisor[] = [];
  readonly #opened: VmService[] = [];

  private constructor(dataDir: string) {
    this.dataDir = dataDir;
    this.image = {
      name: 'base',
      tag: 'latest',
      digest: 'sha256:1234',
      kernelPath: join(dataDir, 'kernel'),
      initrdPath: join(dataDir, 'initrd'),
      rootPath: join(dataDir, 'root'),
      rootFsType: 'squashfs',
      builtAtMs: 0,
      bytes: 6,
      labels: {},
    };
  }

  static async make(): Promise<VmHost> {
    const host = new VmHost(await mkdtemp(join(tmpdir(), 'blixard-vms-')));
    for (const path of [host.image.kernelPath, host.image.initrdPath, host.image.rootPath]) {
      await writeFile(path, 'x');
    }
    return host;
  }

  readonly images = {
    find: async (name: string): Promise<Image | undefined> =>
      name === 'base' || name === 'base:latest' ? this.image : undefined,
    list: async (): Promise<readonly Image[]> => [this.image],
  };

  driver(deps: Partial<FakeHypervisorDeps> = {}): FakeHypervisor {
    const driver = new FakeHypervisor({ clock: fastClock, host: this.host, ...deps });
    this.drivers.push(driver);
    return driver;
  }

  async open(
    deps: Partial<OpenVmServiceDeps> = {},
    fake: Partial<FakeHypervisorDeps> = {},
  ): Promise<VmService> {
    const service = await openVmService({
      dataDir: this.dataDir,
      images: this.images,
      hypervisorFor: () => this.driver(fake),
      env: {},
      clock: fastClock,
      random: realRandom,
      ids: testIds,
      log: silentLog,
      vmsMax: 4,
      bootTimeoutMs: 2_000,
      ...deps,
    });
    this.#opened.push(service);
    return service;
  }

  /** Folders of VMs on disk. */
  folders(): Promise<string[]> {
    return readdir(join(this.dataDir, 'vms'));
  }

  async clean(): Promise<void> {
    for (const service of this.#opened) await service.close();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
