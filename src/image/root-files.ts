/** Files and folders made in the root of an image; their modes do not depend on the umask. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes a folder with all above it where there is none; one that is there stays as it is. */
export async function ensureFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await chmod(made, 0o755);
}

/** A folder of this mode, whether it was there or not. */
export async function makeFolder(path: string, mode: number): Promise<void> {
  await ensureFolder(path);
  await chmod(path, mode);
}

/** Writes a file that everybody may read. */
export async function writeRootFile(path: string, contents: string | Uint8Array): Promise<void> {
  await ensureFolder(dirname(path));
  await writeFile(path, contents);
  await chmod(path, 0o644);
}
