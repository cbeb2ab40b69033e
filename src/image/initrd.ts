/** The initial file system of a guest: the agent as /init and the modules it loads, as an uncompressed cpio. */
import { chmod, copyFile, lutimes, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { everyImage } from './recipe.ts';
import { runProgram } from './run-program.ts';

/** Writes the initramfs to `outFile`; equal inputs give equal bytes. */
export async function buildInitrd(parts: {
  agentPath: string;
  modulePaths: readonly string[];
  workDir: string;
  outFile: string;
}): Promise<void> {
  const root = join(parts.workDir, 'initrd');
  await mkdir(join(root, 'modules'), { recursive: true });
  await copyFile(parts.agentPath, join(root, 'init'));
  const listed: string[] = [];
  for (const modulePath of parts.modulePaths) listed.push(await addModule(root, modulePath));
  await writeFile(join(root, 'modules.txt'), listed.map((path) => `${path}\n`).join(''));
  await pack(root, parts.outFile);
}

/** Debug data, type data and the signature make up most of a module and only slow its loading. */
async function addModule(root: string, modulePath: string): Promise<string> {
  const guestPath = `/modules/${basename(modulePath)}`;
  const copy = join(root, guestPath);
  await copyFile(modulePath, copy);
  await runProgram({ program: 'strip', args: ['--strip-debug', '--remove-section=.BTF', copy] });
  return guestPath;
}

async function pack(root: string, outFile: string): Promise<void> {
  const names = ['.', ...(await readdir(root, { recursive: true })).sort()];
  for (const name of names) {
    const path = join(root, name);
    await chmod(path, 0o755);
    await lutimes(path, everyImage.timeSeconds, everyImage.timeSeconds);
  }
  await runProgram({
    program: 'cpio',
    args: ['--create', '--quiet', '--format=newc', '--owner=0:0', '--reproducible', `--file=${outFile}`],
    cwd: root,
    stdin: names.map((name) => `${name}\n`).join(''),
  });
}
