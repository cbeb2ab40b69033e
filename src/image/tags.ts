/** The names of images: files `tags/NAME/TAG` that hold the digest of a manifest. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { readTextIfThere } from '../platform/files.ts';
import { blobPath } from './blobs.ts';
import { decodeManifest, digestPattern, type ImageManifest } from './manifest.ts';

/** A name of an image. */
export interface Tag {
  readonly name: string;
  readonly tag: string;
}

const digestText = new RegExp(digestPattern);

/** Path of the file that holds the digest of `name:tag`. */
export function tagPath(dir: string, name: string, tag: string): string {
  return join(dir, 'tags', name, tag);
}

/** All names in an image folder, sorted. */
export async function listTags(dir: string): Promise<readonly Tag[]> {
  const tags: Tag[] = [];
  for (const name of await namesIn(join(dir, 'tags'))) {
    for (const tag of await namesIn(join(dir, 'tags', name))) tags.push({ name, tag });
  }
  return tags;
}

/** Whether `wanted` is one of them. */
export function hasTag(tags: readonly Tag[], wanted: Tag): boolean {
  return tags.some(({ name, tag }) => name === wanted.name && tag === wanted.tag);
}

/** The error of an image that is not in the folder `dir`. */
export function missingImage({ name, tag }: Tag, dir: string, known: readonly Tag[]): BlixardError {
  const names = known.map((one) => `${one.name}:${one.tag}`).join(', ') || 'none';
  return new BlixardError('IMAGE_MISSING', { image: `${name}:${tag}`, dir, known: names });
}

/** The digest that a name stands for; undefined when there is no such name. Throws TypeError when it is damaged. */
export async function readTag(dir: string, { name, tag }: Tag): Promise<string | undefined> {
  const digest = (await readTextIfThere(tagPath(dir, name, tag)))?.trim();
  if (digest === undefined || digestText.test(digest)) return digest;
  throw new TypeError(`its tag holds ${JSON.stringify(digest.slice(0, 80))}`);
}

/** A manifest, and when it was written here, epoch ms. Rejects when it is not there or damaged. */
export async function readManifest(
  dir: string,
  digest: string,
): Promise<{ manifest: ImageManifest; builtAtMs: number }> {
  const path = blobPath(dir, digest);
  const { size, mtimeMs } = await stat(path);
  if (size > limits.imageManifestBytes) throw new TypeError(`its manifest has ${size} bytes`);
  const manifest = decodeManifest((await readTextIfThere(path)) ?? '');
  return { manifest, builtAtMs: Math.floor(mtimeMs) };
}

/** The names in a folder, sorted; none when it is not there. */
export async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
