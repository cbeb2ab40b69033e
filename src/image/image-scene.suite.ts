/** Folders of small images for tests. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { removeTree } from '../platform/files.ts';
import { addBlob, writeByWayOf } from './blobs.ts';
import { partOfTag } from './image-folder.ts';
import { encodeManifest, type ImageManifest } from './manifest.ts';
import { tagPath } from './tags.ts';

/** An empty folder, removed after the test. */
export async function makeDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-images-'));
  onTestFinished(() => removeTree(dir));
  return dir;
}

/** A blob of these contents. */
export async function blobOf(dir: string, contents: string) {
  const part = join(dir, 'part');
  await writeFile(part, contents);
  return addBlob(dir, part);
}

/** Names a digest. */
export async function tagged(dir: string, name: string, tag: string, digest: string): Promise<void> {
  await writeByWayOf(join(dir, partOfTag), tagPath(dir, name, tag), `${digest}\n`);
}

/** An image whose kernel and root are those of all others, unless changed; resolves with its digest. */
export async function addImage(dir: string, name: string, tag: string, changes: Partial<ImageManifest> = {}) {
  const manifest: ImageManifest = {
    formatVersion: 1,
    kernel: await blobOf(dir, 'kernel'),
    initrd: await blobOf(dir, `initrd of ${name}`),
    root: await blobOf(dir, 'root'),
    rootFsType: 'squashfs',
    labels: { kernel: '6.1.0' },
    ...changes,
  };
  const { digest } = await blobOf(dir, encodeManifest(manifest));
  await tagged(dir, name, tag, digest);
  return digest;
}
