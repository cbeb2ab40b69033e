/** Removes images by name, and what no name needs any more: blobs, left-overs of builds, packages past their room. */
import { readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { syncDirectory } from '../platform/files.ts';
import { blobPath } from './blobs.ts';
import type { BuildProgress } from './build-progress.ts';
import { clearBuilds, lockFolder, packagesDir, removedTag } from './image-folder.ts';
import { hasTag, listTags, missingImage, namesIn, readManifest, readTag, type Tag, tagPath } from './tags.ts';

/** The folder, and who is told. */
export interface GarbageDeps {
  readonly dir: string;
  readonly clock: Clock;
  readonly progress: BuildProgress;
}

/** What went. */
export interface Removed {
  readonly blobs: number;
  readonly packages: number;
  readonly bytes: number;
}

/**
 * Takes the name from its image and removes what no other image shares, once no build runs. VMs that have the files
 * open keep them. A kill at any moment leaves the name or not, and at most files that `collectGarbage` removes.
 * Rejects with IMAGE_MISSING.
 */
export async function removeImage(deps: GarbageDeps, image: Tag): Promise<Removed> {
  const { dir } = deps;
  const lock = await lockFolder(deps);
  try {
    const tags = await listTags(dir);
    if (!hasTag(tags, image)) throw missingImage(image, dir, tags);
    await clearBuilds(dir);
    const own = await blobsOf(dir, [image]);
    const path = tagPath(dir, image.name, image.tag);
    // Moved to here, so that whoever watches this folder is told in the moment in which the image is gone.
    await rename(path, join(dir, removedTag));
    await syncDirectory(dirname(path));
    if ((await readdir(dirname(path))).length === 0) await rmdir(dirname(path));
    await clearBuilds(dir);
    return { ...(await removeUnnamed(dir, own)), packages: 0 };
  } finally {
    await lock.release();
  }
}

/** Removes what no image needs, once no build runs, and packages least recently used until `packageBytes` are left. */
export async function collectGarbage(
  deps: GarbageDeps & { readonly packageBytes: number },
): Promise<Removed> {
  const { dir, packageBytes } = deps;
  const lock = await lockFolder(deps);
  try {
    await clearBuilds(dir);
    const all = (await namesIn(blobPath(dir, 'sha256:'))).map((hex) => `sha256:${hex}`);
    const { blobs, bytes } = await removeUnnamed(dir, all);
    const packages = await removePackages(join(dir, packagesDir), packageBytes);
    return { blobs, packages: packages.count, bytes: bytes + packages.bytes };
  } finally {
    await lock.release();
  }
}

/** Removes those of `digests` that no image has. */
async function removeUnnamed(
  dir: string,
  digests: Iterable<string>,
): Promise<{ blobs: number; bytes: number }> {
  const named = await blobsOf(dir, await listTags(dir));
  let blobs = 0;
  let bytes = 0;
  for (const digest of digests) {
    const path = blobPath(dir, digest);
    const size = named.has(digest) ? undefined : await sizeIfThere(path);
    if (size === undefined) continue;
    await unlink(path);
    bytes += size;
    blobs++;
  }
  return { blobs, bytes };
}

/** The manifests of these images, and their parts. */
async function blobsOf(dir: string, tags: readonly Tag[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const tag of tags) {
    const digest = await unlessDamaged(readTag(dir, tag));
    if (digest === undefined) continue;
    found.add(digest);
    const read = await unlessDamaged(readManifest(dir, digest));
    if (read === undefined) continue;
    const { kernel, initrd, root } = read.manifest;
    for (const part of [kernel, initrd, root]) found.add(part.digest);
  }
  return found;
}

async function removePackages(folder: string, keepBytes: number): Promise<{ count: number; bytes: number }> {
  const files = await Promise.all(
    (await namesIn(folder)).map(async (name) => ({ name, ...(await sizeAndUse(join(folder, name))) })),
  );
  let left = files.reduce((sum, { size }) => sum + size, 0);
  const all = left;
  let count = 0;
  for (const { name, size } of files.sort((one, two) => one.mtimeMs - two.mtimeMs)) {
    if (left <= keepBytes) break;
    await rm(join(folder, name));
    left -= size;
    count++;
  }
  return { count, bytes: all - left };
}

async function sizeIfThere(path: string): Promise<number | undefined> {
  return (await unlessDamaged(stat(path)))?.size;
}

async function sizeAndUse(path: string): Promise<{ size: number; mtimeMs: number }> {
  const { size, mtimeMs } = await stat(path);
  return { size, mtimeMs };
}

/** Nothing for what is damaged; what cannot be read for another reason stops the removal of what it may need. */
async function unlessDamaged<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    const isDamaged = error instanceof TypeError || error instanceof SyntaxError;
    if (isDamaged || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
