/** Saves artifacts as files: below the folder that was asked for, whole and with the right bytes, or not at all. */
import { createHash } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Artifact } from '../client/index.ts';
import { isArtifactName } from '../domain/artifact-name.ts';
import { BlixardError } from '../domain/errors.ts';

/** The file an artifact is saved as: `to` itself, when only one is asked for and that is no folder; else below it. */
export async function placeOf(name: string, to: string, single: boolean): Promise<string> {
  // The server is not trusted to keep to the names it may give.
  if (!isArtifactName(name))
    throw new BlixardError('ARTIFACT_REFUSED', { name, problem: 'its name is not allowed' });
  if (!single) return join(to, name);
  return to.endsWith('/') || (await isFolder(to)) ? join(to, basename(name)) : to;
}

/** Rejects with ARTIFACT_REFUSED when the bytes are not those of its hash; then no file is left. */
export async function saveArtifact(
  bytes: AsyncIterable<Buffer>,
  { name, sha256 }: Artifact,
  file: string,
): Promise<void> {
  const part = `${file}.part-${process.pid}`;
  await mkdir(dirname(file), { recursive: true });
  try {
    if ((await write(bytes, part)) !== sha256) {
      throw new BlixardError('ARTIFACT_REFUSED', { name, problem: 'its bytes are not those of its SHA-256' });
    }
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
}

/** Gives the SHA-256 of what was written. */
async function write(bytes: AsyncIterable<Buffer>, file: string): Promise<string> {
  const handle = await open(file, 'w');
  const hash = createHash('sha256');
  try {
    for await (const piece of bytes) {
      await handle.writeFile(piece);
      hash.update(piece);
    }
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
