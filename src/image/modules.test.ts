import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { removeTree } from '../platform/files.ts';
import { moduleLoadOrder } from './modules.ts';

/** A folder of modules: path → names it depends on. */
async function makeModules(modules: Record<string, string | undefined>, builtIn: string[] = []) {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-modules-'));
  onTestFinished(() => removeTree(dir));
  await writeFile(join(dir, 'modules.builtin'), builtIn.map((path) => `${path}\n`).join(''));
  for (const [path, depends] of Object.entries(modules)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    const info = depends === undefined ? 'nothing' : `license=GPL\0depends=${depends}\0vermagic=6.1`;
    await writeFile(join(dir, path), `\x7fELF code\0${info}\0`);
  }
  return { load: async (...wanted: string[]) => relative(dir, await moduleLoadOrder(dir, wanted)) };
}

function relative(dir: string, paths: readonly string[]): string[] {
  return paths.map((path) => path.slice(dir.length + 1));
}

describe('the load order of modules', () => {
  it('puts each module behind those it needs, once', async () => {
    const { load } = await makeModules({
      'kernel/virtio/virtio.ko': 'virtio_ring',
      'kernel/virtio/virtio_ring.ko': '',
      'kernel/block/virtio_blk.ko': 'virtio,virtio_ring',
      'kernel/unrelated.ko': '',
    });
    expect(await load('virtio_blk', 'virtio')).toEqual([
      'kernel/virtio/virtio_ring.ko',
      'kernel/virtio/virtio.ko',
      'kernel/block/virtio_blk.ko',
    ]);
  });

  it('takes - and _ for the same, and leaves out what the kernel has built in', async () => {
    const { load } = await makeModules({ 'virtio-rng.ko': 'rng_core,virtio' }, [
      'kernel/rng-core.ko',
      'kernel/virtio.ko',
    ]);
    expect(await load('virtio_rng', 'virtio')).toEqual(['virtio-rng.ko']);
  });

  it('names a module that is not there, and one that does not say what it needs', async () => {
    const { load } = await makeModules({ 'a.ko': 'b', 'mute.ko': undefined });
    await expect(load('a')).rejects.toThrow('no module b');
    await expect(load('mute')).rejects.toThrow('does not say');
  });
});
