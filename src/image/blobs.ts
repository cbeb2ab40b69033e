/** Files named by the digest of their contents: whole or not there at all, on disk when they are there. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, open, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { syncDirectory } from '../platform/files.ts';
import type { BlobRef } from './manifest.ts';

/** Path of a blob below an image folder. */
export function blobPath(dir: string, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':');
  return join(dir, 'blobs', algorithm, hex);
}

/** Moves `file`, which is on the same file system, among the blobs of `dir`. A blob of its name is replaced. */
export async function addBlob(dir: string, file: string): Promise<BlobRef> {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(createReadStream(file), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  });
  const digest = `sha256:${hash.digest('hex')}`;
  await chmod(file, 0o444);
  await moveDurably(file, blobPath(dir, digest));
  return { digest, bytes };
}

/** Writes `text` to `path` by way of `part`: a reader sees the old file or the new one. */
export async function writeByWayOf(part: string, path: string, text: string): Promise<void> {
  await writeFile(part, text);
  await moveDurably(part, path);
}

/** Renames a finished file; both it and its name are on disk afterwards. */
async function moveDurably(from: string, to: string): Promise<void> {
  const file = await open(from, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await mkdir(dirname(to), { recursive: true });
  await rename(from, to);
  await syncDirectory(dirname(to));
}
