/** Removes images by name, and what no name needs any more: blobs, left-overs of builds, packages past their room. */
import { readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { syncDirectory } from '../platform/files.ts';
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
    if (!hasTag(tags, image)) throw missingImage(image, tags);
    await clearBuilds(dir);
    const path = tagPath(dir, image.name, image.tag);
    // Moved to here, so that whoever watches this folder is told in the moment in which the image is gone.
    await rename(path, join(dir, removedTag));
    await syncDirectory(dirname(path));
    if ((await readdir(dirname(path))).length === 0) await rmdir(dirname(path));
    await clearBuilds(dir);
    return { ...(await removeUnnamed(dir)), packages: 0 };
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
    const { blobs, bytes } = await removeUnnamed(dir);
    const packages = await removePackages(join(dir, packagesDir), packageBytes);
    return { blobs, packages: packages.count, bytes: bytes + packages.bytes };
  } finally {
    await lock.release();
  }
}

async function removeUnnamed(dir: string): Promise<{ blobs: number; bytes: number }> {
  const named = await namedBlobs(dir);
  const folder = join(dir, 'blobs', 'sha256');
  let blobs = 0;
  let bytes = 0;
  for (const hex of await namesIn(folder)) {
    if (named.has(`sha256:${hex}`)) continue;
    bytes += (await stat(join(folder, hex))).size;
    await unlink(join(folder, hex));
    blobs++;
  }
  return { blobs, bytes };
}

/** Manifests that a tag names, and their parts. */
async function namedBlobs(dir: string): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  for (const tag of await listTags(dir)) {
    const digest = await unlessDamaged(readTag(dir, tag));
    if (digest === undefined) continue;
    named.add(digest);
    const read = await unlessDamaged(readManifest(dir, digest));
    if (read === undefined) continue;
    const { kernel, initrd, root } = read.manifest;
    for (const part of [kernel, initrd, root]) named.add(part.digest);
  }
  return named;
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
