import { mkdir, open, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { realClock } from '../platform/clock.ts';
import { blobPath } from './blobs.ts';
import { takeBuildLock } from './build-lock.ts';
import { collectGarbage, removeImage } from './image-garbage.ts';
import { addImage, blobOf, makeDir, tagged } from './image-scene.suite.ts';
import { ImageStore } from './image-store.ts';
import { tagPath } from './tags.ts';

const depsOf = (dir: string) => ({ dir, clock: realClock, progress: { step: () => undefined } });
const gc = (dir: string, packageBytes = 0) => collectGarbage({ ...depsOf(dir), packageBytes });
const remove = (dir: string, name: string, tag = 'latest') => removeImage(depsOf(dir), { name, tag });
const blobsIn = async (dir: string) => (await readdir(join(dir, 'blobs', 'sha256'))).sort();

describe('removing an image', () => {
  it('takes its name and what no other image shares', async () => {
    const dir = await makeDir();
    await addImage(dir, 'base', 'latest');
    await blobOf(dir, 'garbage, which is not its own');
    const before = await blobsIn(dir);
    await addImage(dir, 'tools', 'latest');
    expect(await remove(dir, 'tools')).toEqual({ blobs: 2, packages: 0, bytes: expect.any(Number) });
    expect(await blobsIn(dir)).toEqual(before);
    const images = new ImageStore({ dir });
    expect(await images.find('tools')).toBeUndefined();
    expect(await images.find('base')).toMatchObject({ name: 'base' });
    expect(await readdir(join(dir, 'tags'))).toEqual(['base']);
  });

  it('leaves another name of the same image, and other tags of its name', async () => {
    const dir = await makeDir();
    const digest = await addImage(dir, 'base', 'latest');
    await tagged(dir, 'base', 'old', digest);
    expect(await remove(dir, 'base')).toEqual({ blobs: 0, packages: 0, bytes: 0 });
    expect(await new ImageStore({ dir }).find('base:old')).toMatchObject({ digest });
  });

  it('is refused when it is not there, naming those that are', async () => {
    const dir = await makeDir();
    await addImage(dir, 'base', 'latest');
    await expect(remove(dir, 'base', 'v1')).rejects.toMatchObject({
      code: 'IMAGE_MISSING',
      details: { image: 'base:v1', known: 'base:latest' },
    });
  });

  it('works for a damaged one, too', async () => {
    const dir = await makeDir();
    await tagged(dir, 'broken', 'latest', '../../etc/passwd');
    await tagged(dir, 'lost', 'latest', `sha256:${'0'.repeat(64)}`);
    await addImage(dir, 'base', 'latest');
    await remove(dir, 'broken');
    await remove(dir, 'lost');
    expect(await new ImageStore({ dir }).list()).toHaveLength(1);
  });

  it('takes no file from whoever has it open', async () => {
    const dir = await makeDir();
    await addImage(dir, 'base', 'latest');
    const image = await new ImageStore({ dir }).find('base');
    const file = await open(image?.rootPath ?? '', 'r');
    await remove(dir, 'base');
    expect(await file.readFile('utf8')).toBe('root');
    await file.close();
  });
});

describe('the collection of garbage', () => {
  it('removes what no image names and what a killed build has left, and nothing else', async () => {
    const dir = await makeDir();
    await addImage(dir, 'base', 'latest');
    await tagged(dir, 'damaged', 'latest', (await blobOf(dir, 'no manifest')).digest);
    const needed = await blobsIn(dir);
    await blobOf(dir, 'of a killed build');
    await mkdir(join(dir, 'building', 'image-x'), { recursive: true });
    await writeFile(join(dir, 'building', 'image-x', 'root'), 'half');
    await writeFile(join(dir, 'tag.new'), 'half');
    await writeFile(join(dir, 'tag.old'), 'of a killed removal');
    expect(await gc(dir)).toEqual({ blobs: 1, packages: 0, bytes: 'of a killed build'.length });
    expect(await blobsIn(dir)).toEqual(needed);
    expect(await readdir(join(dir, 'building'))).toEqual([]);
    expect((await readdir(dir)).filter((name) => name.startsWith('tag.'))).toEqual([]);
    expect(await gc(dir)).toEqual({ blobs: 0, packages: 0, bytes: 0 });
  });

  it('removes packages least recently used, until the rest has its room', async () => {
    const dir = await makeDir();
    const folder = join(dir, 'cache', 'packages');
    await mkdir(folder, { recursive: true });
    for (const [name, usedAt] of Object.entries({ a: 300, b: 100, c: 200 })) {
      await writeFile(join(folder, name), 'x'.repeat(10));
      await utimes(join(folder, name), usedAt, usedAt);
    }
    expect(await gc(dir, 30)).toMatchObject({ packages: 0, bytes: 0 });
    expect(await gc(dir, 29)).toMatchObject({ packages: 1, bytes: 10 });
    expect(await readdir(folder)).toEqual(['a', 'c']);
    expect(await gc(dir, 10)).toMatchObject({ packages: 1, bytes: 10 });
    expect(await readdir(folder)).toEqual(['a']);
  });

  it('waits for a build that runs, and says so', async () => {
    const dir = await makeDir();
    const build = await takeBuildLock(join(dir, 'build.lock'));
    const { digest } = await blobOf(dir, 'of the build that runs');
    const steps: string[] = [];
    const told = { step: (title: string) => steps.push(title) };
    const collected = collectGarbage({ ...depsOf(dir), progress: told, packageBytes: 0 });
    const ended = await Promise.race([collected, new Promise((go) => setTimeout(go, 700, 'waits'))]);
    expect(ended).toBe('waits');
    expect(steps).toEqual(['Waiting for another build of an image']);
    expect(await readFile(blobPath(dir, digest), 'utf8')).toBe('of the build that runs');
    await build.release();
    expect(await collected).toMatchObject({ blobs: 1 });
  });

  it('makes an empty folder where there is none, and finds nothing', async () => {
    expect(await gc(join(await makeDir(), 'images'))).toEqual({ blobs: 0, packages: 0, bytes: 0 });
  });

  it('stops at a name it cannot read, instead of taking what it may need', async () => {
    const dir = await makeDir();
    await blobOf(dir, 'needed, perhaps');
    await mkdir(tagPath(dir, 'base', 'latest'), { recursive: true });
    await expect(gc(dir)).rejects.toMatchObject({ code: 'EISDIR' });
    expect(await blobsIn(dir)).toHaveLength(1);
  });
});
