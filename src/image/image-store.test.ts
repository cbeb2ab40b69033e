import { createHash } from 'node:crypto';
import { readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { removeTree } from '../platform/files.ts';
import { blobPath } from './blobs.ts';
import { addImage, blobOf, makeDir, tagged } from './image-scene.suite.ts';
import { ImageStore } from './image-store.ts';

describe('a blob', () => {
  it('is named by its contents, and the same contents are one blob', async () => {
    const dir = await makeDir();
    const hex = createHash('sha256').update('text').digest('hex');
    expect(await blobOf(dir, 'text')).toEqual({ digest: `sha256:${hex}`, bytes: 4 });
    expect(await blobOf(dir, 'text')).toEqual({ digest: `sha256:${hex}`, bytes: 4 });
    expect(await readFile(blobPath(dir, `sha256:${hex}`), 'utf8')).toBe('text');
  });
});

describe('the image store', () => {
  it('is empty where there is no folder', async () => {
    const store = new ImageStore({ dir: '/no/such/folder' });
    expect(await store.list()).toEqual([]);
    expect(await store.find('base')).toBeUndefined();
  });

  it('finds an image by name, which means latest, and by tag', async () => {
    const dir = await makeDir();
    const before = Date.now();
    const digest = await addImage(dir, 'base', 'latest');
    const store = new ImageStore({ dir });
    const image = await store.find('base');
    expect(image).toMatchObject({ name: 'base', tag: 'latest', digest, rootFsType: 'squashfs' });
    expect(image).toMatchObject({ bytes: 'kernelinitrd of baseroot'.length, labels: { kernel: '6.1.0' } });
    expect(image?.builtAtMs).toBeGreaterThan(before - 2_000);
    expect(await readFile(image?.kernelPath ?? '', 'utf8')).toBe('kernel');
    expect(await readFile(image?.rootPath ?? '', 'utf8')).toBe('root');
    expect(await store.find('base:latest')).toEqual(image);
    expect(await store.find('base:other')).toBeUndefined();
  });

  it('never looks outside its folder', async () => {
    const dir = await makeDir();
    await addImage(dir, 'base', 'latest');
    const store = new ImageStore({ dir: join(dir, 'tags') });
    for (const name of ['../tags/base', '../base:latest', 'base:../latest', '', ':', 'a/b', '.']) {
      expect(await store.find(name)).toBeUndefined();
    }
  });

  it('lists every image by name and tag', async () => {
    const dir = await makeDir();
    await addImage(dir, 'node', '20');
    await addImage(dir, 'base', 'latest');
    await addImage(dir, 'base', 'old');
    const images = await new ImageStore({ dir }).list();
    expect(images.map(({ name, tag }) => `${name}:${tag}`)).toEqual(['base:latest', 'base:old', 'node:20']);
  });

  it('gives equal digests for equal images', async () => {
    const [one, two] = [await makeDir(), await makeDir()];
    expect(await addImage(one, 'base', 'a')).toBe(await addImage(two, 'base', 'b'));
  });
});

describe('a damaged image', () => {
  const damaged = async (damage: (dir: string, digest: string) => Promise<void>, problem: string) => {
    const dir = await makeDir();
    await addImage(dir, 'whole', 'latest', { root: await blobOf(dir, 'of its own') });
    const digest = await addImage(dir, 'base', 'latest');
    const store = new ImageStore({ dir });
    expect(await store.find('base')).toBeDefined();
    await damage(dir, digest);
    const error = {
      code: 'IMAGE_INVALID',
      details: { image: 'base:latest', problem: expect.stringContaining(problem) },
    };
    await expect(store.find('base')).rejects.toMatchObject(error);
    await expect(store.list()).rejects.toMatchObject(error);
    const told: unknown[] = [];
    const { length } = await store.list((problem) => told.push(problem));
    expect(told).toEqual([expect.objectContaining(error)]);
    expect(length).toBe(1);
  };
  const rootDigest = `sha256:${createHash('sha256').update('root').digest('hex')}`;

  it('is told when a part is cut off', async () => {
    await damaged((dir) => truncate(blobPath(dir, rootDigest), 2), 'its root has 2 bytes instead of 4');
  });

  it('is told when a part is gone', async () => {
    await damaged((dir) => removeTree(blobPath(dir, rootDigest)), 'ENOENT');
  });

  it('is told when its manifest is no manifest', async () => {
    await damaged(async (dir) => {
      await tagged(dir, 'base', 'latest', (await blobOf(dir, '{"formatVersion":1}')).digest);
    }, 'manifest');
    await damaged(async (dir) => {
      await tagged(dir, 'base', 'latest', (await blobOf(dir, 'no JSON')).digest);
    }, 'JSON');
  });

  it('is told when its manifest is larger than any', async () => {
    await damaged(async (dir) => {
      await tagged(dir, 'base', 'latest', (await blobOf(dir, ' '.repeat(65_537))).digest);
    }, '65537 bytes');
  });

  it('is told when a file system type would reach into the kernel command line', async () => {
    await damaged(async (dir) => {
      await addImage(dir, 'base', 'latest', { rootFsType: 'squashfs init=/bin/sh' });
    }, 'rootFsType');
  });

  it('is told when its tag holds no digest', async () => {
    await damaged((dir) => tagged(dir, 'base', 'latest', '../../etc/passwd'), 'its tag holds');
  });
});
