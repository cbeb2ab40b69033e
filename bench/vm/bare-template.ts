/** Bare QEMU beside the product: a template, a clone of it, a paused clone that goes on; nothing recorded, no pool. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaults } from '../../src/domain/defaults.ts';
import type { RunningVm, TemplateUse } from '../../src/hypervisor/hypervisor.ts';
import { QemuHypervisor } from '../../src/hypervisor/qemu/qemu.ts';
import type { Image } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { GuestSession } from '../../src/vm/guest-session.ts';

const helloMs = 30_000;
const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'];
const ids = makeIds(realClock, realRandom);

interface Guest {
  readonly vm: RunningVm;
  readonly session: GuestSession;
}

/** A template of the image, made once, and what is measured on it. */
export class BareTemplate {
  readonly #hypervisor = new QemuHypervisor({
    clock: realClock,
    log: silentLog,
    accel: 'tcg',
    sandbox: 'off',
  });
  readonly #image: Image;
  readonly #tscKhz: number | undefined;
  #dir = '';

  constructor(image: Image, tscKhz: number | undefined) {
    this.#image = image;
    this.#tscKhz = tscKhz;
  }

  async make(): Promise<void> {
    this.#dir = await mkdtemp(join(tmpdir(), 'blixard-bench-template-'));
    const { vm, session } = await this.#start({ act: 'make', dir: this.#dir });
    await runTrue(session);
    await vm.save();
    await vm.kill();
  }

  /** Spawn of QEMU to the end of `true`, in ms. */
  async restore(): Promise<number> {
    const start = performance.now();
    const { vm, session } = await this.#start({ act: 'start', dir: this.#dir });
    await runTrue(session);
    const ms = performance.now() - start;
    await vm.kill();
    return ms;
  }

  /** From the word to go on to the end of `true`, in ms, in a clone that has run it before. */
  async wake(): Promise<number> {
    const { vm, session } = await this.#start({ act: 'start', dir: this.#dir });
    await runTrue(session);
    await vm.pause();
    const start = performance.now();
    await Promise.all([vm.resume(), runTrue(session)]);
    const ms = performance.now() - start;
    await vm.kill();
    return ms;
  }

  async remove(): Promise<void> {
    await rm(this.#dir, { recursive: true });
  }

  async #start(template: TemplateUse): Promise<Guest> {
    const { kernelPath, initrdPath, rootPath, rootFsType } = this.#image;
    const files = { kernelPath, initrdPath, rootPath, rootFsType, runDir: this.#dir };
    const rate = this.#tscKhz === undefined ? {} : { tscKhz: this.#tscKhz };
    const machine = { memoryMiB: defaults.memoryMiB, vcpus: 1, ...rate };
    const vm = await this.#hypervisor.start({ ...files, ...machine, id: ids(), template });
    const session = new GuestSession({ channel: vm.channel, clock: realClock, token: ids() });
    await session.hello(helloMs);
    return { vm, session };
  }
}

async function runTrue(session: GuestSession): Promise<void> {
  const output = async (): Promise<void> => undefined;
  const spec = { argv: ['true'], env, cwd: '/root', uid: 0 };
  await session.exec(spec, { stdin: new Uint8Array(), output }).exited;
}
