/** The root file system of the base image: Debian packages unpacked, a few files of our own, packed as squashfs. */
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Apt } from './apt.ts';
import { recipe } from './recipe.ts';
import { runProgram } from './run-program.ts';

/** Folders that Debian keeps below /usr and links from /. */
const merged = ['bin', 'lib', 'lib64', 'sbin'];
/** Where a program may stand; an applet of busybox is linked only where Debian's own program is in none of them. */
const programDirs = ['usr/bin', 'usr/sbin'];

const folders: readonly (readonly [path: string, mode: number])[] = [
  ...['dev', 'proc', 'run', 'sys'].map((path) => [path, 0o755] as const),
  ['root', 0o700],
  ['tmp', 0o1777],
  ['work', 0o755],
];

const files: Readonly<Record<string, string>> = {
  'etc/passwd': [
    'root:x:0:0:root:/root:/bin/bash',
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    '',
  ].join('\n'),
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  'etc/machine-id': '',
};

/** Writes the root file system to `outFile`; equal inputs give equal bytes. */
export async function buildRoot(apt: Apt, workDir: string, outFile: string): Promise<void> {
  const root = join(workDir, 'root');
  for (const name of merged) {
    await makeFolder(join(root, 'usr', name), 0o755);
    await symlink(`usr/${name}`, join(root, name));
  }
  await apt.unpack(await apt.files(recipe.rootPackages), root);
  await addOwnFiles(root);
  await linkApplets(root);
  const time = String(recipe.timeSeconds);
  await runProgram({
    program: 'mksquashfs',
    args: [
      ...[root, outFile, '-noappend', '-no-progress', '-quiet', '-all-root'],
      ...['-mkfs-time', time, '-all-time', time],
      ...recipe.squashfsOptions,
    ],
  });
}

async function addOwnFiles(root: string): Promise<void> {
  for (const [path, mode] of folders) {
    await makeFolder(join(root, path), mode);
  }
  for (const [path, text] of Object.entries(files)) {
    await writeFile(join(root, path), text);
    await chmod(join(root, path), 0o644);
  }
}

/** The mode is set on its own: what mkdir gives depends on the umask. */
async function makeFolder(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, mode);
}

async function linkApplets(root: string): Promise<void> {
  const busybox = join(root, 'usr/bin/busybox');
  const applets = (await runProgram({ program: busybox, args: ['--list'] })).split('\n');
  const programs = new Set<string>();
  for (const dir of programDirs) for (const name of await readdir(join(root, dir))) programs.add(name);
  for (const applet of applets.filter((name) => name !== '' && !programs.has(name))) {
    await symlink('busybox', join(root, 'usr/bin', applet));
  }
}
