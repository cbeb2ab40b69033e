/** Little programs that tests put in the place of QEMU. */
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { removeTree } from '../../platform/files.ts';

/** Path of a new folder that goes with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'blixard-test-'));
  onTestFinished(() => removeTree(folder));
  return folder;
}

/** Path of a shell script that goes with the test. */
export async function script(text: string, name = 'qemu-stand-in'): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}
