/** The guest kernel and the modules it needs, taken from Debian's package without installing it. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Apt } from './apt.ts';
import { moduleLoadOrder } from './modules.ts';
import { everyImage } from './recipe.ts';
import { buildFailed, runProgram } from './run-program.ts';
import { extractVmlinux } from './vmlinux.ts';

export interface GuestKernel {
  /** As `uname -r` says in the guest. */
  readonly release: string;
  /** Uncompressed ELF kernel. */
  readonly path: string;
  /** Modules in the order in which they load. */
  readonly modulePaths: readonly string[];
}

/** Downloads the newest kernel package and unpacks it below `workDir`. */
export async function fetchKernel(apt: Apt, workDir: string): Promise<GuestKernel> {
  const packagePath = await apt.file(await apt.dependencyOf(everyImage.kernelPackage));
  const unpackedDir = join(workDir, 'kernel');
  await mkdir(unpackedDir);
  await runProgram({ program: 'dpkg-deb', args: ['--extract', packagePath, unpackedDir] });
  const bzImage = await theOnly(join(unpackedDir, 'boot'), 'vmlinuz-');
  const release = basename(bzImage).slice('vmlinuz-'.length);
  const path = join(workDir, 'vmlinux');
  await writeFile(path, extractVmlinux(await readFile(bzImage)));
  const modulesDir = join(unpackedDir, 'lib', 'modules', release);
  return { release, path, modulePaths: await moduleLoadOrder(modulesDir, everyImage.modules) };
}

async function theOnly(dir: string, prefix: string): Promise<string> {
  const found = (await readdir(dir)).filter((name) => name.startsWith(prefix));
  const [name] = found;
  if (name !== undefined && found.length === 1) return join(dir, name);
  throw buildFailed(`the kernel package has ${found.length} files ${prefix}*`);
}
