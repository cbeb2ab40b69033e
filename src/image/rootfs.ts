/** The root file system of an image: Debian packages unpacked and finished, a few files of our own, as squashfs. */
import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BlixardError } from '../domain/errors.ts';
import type { Apt } from './apt.ts';
import type { BuildProgress } from './build-progress.ts';
import { finishRoot } from './finish-root.ts';
import type { ImageOrder } from './image-order.ts';
import { addNode, type HostNode } from './node-binary.ts';
import { everyImage } from './recipe.ts';
import { makeFolder, writeRootFile } from './root-files.ts';
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

/** What a root file system is built from. */
export interface RootParts {
  readonly apt: Apt;
  readonly workDir: string;
  readonly outFile: string;
  readonly order: ImageOrder;
  readonly node: HostNode | undefined;
  readonly progress: BuildProgress;
}

/** Writes the root file system to `outFile`; equal inputs give equal bytes. */
export async function buildRoot(parts: RootParts): Promise<void> {
  const { apt, workDir, outFile, node, progress } = parts;
  const root = join(workDir, 'root');
  for (const name of merged) {
    await makeFolder(join(root, 'usr', name), 0o755);
    await symlink(`usr/${name}`, join(root, name));
  }
  progress.step('Fetching Debian packages and what they depend on');
  const files = await apt.files(parts.order.packages);
  progress.step(`Building the root file system from ${files.length} packages`);
  await apt.unpack(files, root);
  await addOwnFiles(root);
  await finishRoot(root, await apt.control(files), progress);
  if (node !== undefined) await addNode(root, node);
  await linkApplets(root);
  await pack(root, outFile);
}

/** Rejects with USAGE for a package that was named and is not there, before anything is fetched. */
export async function refuseUnknown(apt: Apt, { named }: ImageOrder): Promise<void> {
  const unknown = named.length === 0 ? [] : await apt.unknown(named);
  if (unknown.length === 0) return;
  const problem = `--packages: this host's package lists do not have ${unknown.join(', ')}`;
  const way = 'apt-get update renews the lists, apt-cache search finds names';
  throw new BlixardError('USAGE', { problem: `${problem}; ${way}` });
}

async function pack(root: string, outFile: string): Promise<void> {
  const time = String(everyImage.timeSeconds);
  await runProgram({
    program: 'mksquashfs',
    args: [
      ...[root, outFile, '-noappend', '-no-progress', '-quiet', '-all-root'],
      ...['-mkfs-time', time, '-all-time', time],
      ...everyImage.squashfsOptions,
    ],
  });
}

async function addOwnFiles(root: string): Promise<void> {
  for (const [path, mode] of folders) {
    await makeFolder(join(root, path), mode);
  }
  for (const [path, text] of Object.entries(files)) {
    await writeRootFile(join(root, path), text);
  }
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
