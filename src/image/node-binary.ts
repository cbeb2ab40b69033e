/** The Node.js that runs the build, put into an image with the libraries it is linked with. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, chmod, copyFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ensureFolder } from './root-files.ts';
import { buildFailed, runProgram } from './run-program.ts';

/** The Node.js of this host. */
export interface HostNode {
  readonly path: string;
  /** For example v20.20.2. */
  readonly version: string;
  /** Of its program file. */
  readonly digest: string;
}

/** Where it stands in an image; it is on the PATH of jobs. */
const guestPath = 'usr/local/bin/node';
/** Where the loader looks without being told to, below the root of an image. */
const libraryDirs = ['usr/lib/x86_64-linux-gnu', 'usr/lib', 'usr/lib64'];

/** The Node.js that runs this process. */
export async function hostNode(): Promise<HostNode> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(process.execPath), hash);
  return { path: process.execPath, version: process.version, digest: `sha256:${hash.digest('hex')}` };
}

/** Adds it to the file system below `root`, in which the libraries of packages are already. */
export async function addNode(root: string, node: HostNode): Promise<void> {
  await copyProgram(node.path, join(root, guestPath));
  const linked = await runProgram({ program: 'ldd', args: [node.path] });
  for (const { name, path } of parseLdd(linked)) {
    if (await isInOneOf(libraryDirs, root, name)) continue;
    if (path === undefined) throw buildFailed(`${node.path} needs ${name}, which this host does not have`);
    await copyProgram(path, join(root, libraryDirs[0] ?? '', name));
  }
}

/** A library as `ldd` tells it; without a path when the host has none of this name. */
interface Library {
  readonly name: string;
  readonly path: string | undefined;
}

/** What `ldd` says, without the one that the kernel brings. */
export function parseLdd(text: string): readonly Library[] {
  return text.split('\n').flatMap((line): Library[] => {
    const told = /^\s+(\S+)(?: => (not found|\/\S+))?(?: \(0x[0-9a-f]+\))?$/.exec(line);
    const [, name = '', found] = told ?? [];
    if (name === '' || name.startsWith('linux-vdso')) return [];
    if (name.startsWith('/')) return [{ name: basename(name), path: name }];
    return [{ name, path: found === 'not found' ? undefined : found }];
  });
}

async function isInOneOf(dirs: readonly string[], root: string, name: string): Promise<boolean> {
  const tries = await Promise.allSettled(dirs.map((dir) => access(join(root, dir, name))));
  return tries.some(({ status }) => status === 'fulfilled');
}

async function copyProgram(from: string, to: string): Promise<void> {
  await ensureFolder(dirname(to));
  await copyFile(from, to);
  await chmod(to, 0o755);
}
