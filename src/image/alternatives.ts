/** Debian's alternatives (awk, cc, nc, …): read from what packages would have run when installed, and linked. */
import { lstat, realpath, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ensureFolder } from './root-files.ts';

/** One way to provide a name: a link, such as /usr/bin/awk, by way of /etc/alternatives/awk, to a program. */
export interface Alternative {
  readonly link: string;
  readonly name: string;
  readonly path: string;
  readonly priority: number;
  /** Links that go with it. */
  readonly slaves: readonly { readonly link: string; readonly name: string; readonly path: string }[];
}

/** The alternatives a script installs by words that stand in it as they are; those it computes are left out. */
export function parseAlternatives(script: string): readonly Alternative[] {
  const lines = script.replaceAll(/\\\n/g, ' ').split('\n');
  return lines.flatMap((line) => {
    const words = /\bupdate-alternatives\s+([^;|&>#]*)/.exec(line)?.[1]?.trim().split(/\s+/) ?? [];
    const at = words.indexOf('--install');
    const [link = '', name = '', path = '', priority = ''] = words.slice(at + 1, at + 5);
    if (at < 0 || !/^\d+$/.test(priority) || !areLiteral(link, name, path)) return [];
    return [{ link, name, path, priority: Number(priority), slaves: slavesIn(words.slice(at + 5)) }];
  });
}

/** Links, of each name, the alternative of the highest priority whose program is below `root`. */
export async function linkAlternatives(root: string, found: readonly Alternative[]): Promise<void> {
  const byPriority = [...found].sort((one, two) => two.priority - one.priority);
  const done = new Set<string>();
  for (const alternative of byPriority) {
    if (done.has(alternative.name) || !(await isThere(join(root, alternative.path)))) continue;
    done.add(alternative.name);
    for (const one of [alternative, ...alternative.slaves]) {
      if (await isThere(join(root, one.path))) await link(root, one);
    }
  }
}

async function link(root: string, one: { link: string; name: string; path: string }): Promise<void> {
  const place = join(root, one.link);
  const middle = join(root, 'etc/alternatives', one.name);
  for (const dir of [dirname(place), dirname(middle)]) await ensureFolder(dir);
  // A link of a package could lead out of the image.
  if (!(await realpath(dirname(place))).startsWith(await realpath(root))) return;
  // A package's own file stays, as with Debian's program.
  if ((await isThere(place)) || (await isThere(middle))) return;
  await symlink(one.path, middle);
  await symlink(`/etc/alternatives/${one.name}`, place);
}

function slavesIn(words: readonly string[]): Alternative['slaves'] {
  return words.flatMap((word, at) => {
    const [link = '', name = '', path = ''] = words.slice(at + 1, at + 4);
    return word === '--slave' && areLiteral(link, name, path) ? [{ link, name, path }] : [];
  });
}

function areLiteral(link: string, name: string, path: string): boolean {
  const isPath = (text: string): boolean => /^\/[\w.+/-]+$/.test(text) && !text.includes('..');
  return isPath(link) && isPath(path) && /^[\w.+-]+$/.test(name) && !name.startsWith('.');
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
