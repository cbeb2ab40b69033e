/** Interpreters that wait in a template for the command of a job: which an image names, and how each is started. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ExecSpec } from '../contract/guest.ts';
import { zygotesLabel } from '../image/manifest.ts';

/** Where their files are in a guest. */
export const zygotesGuestDir = '/run/blixard-zygotes';

const sourceDir = fileURLToPath(new URL('../../guest/zygotes', import.meta.url));
const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'];

/** How an interpreter becomes a zygote; guest/zygote.h says what it does then. */
export interface ZygoteKind {
  /** The file it needs, below the folder of all. */
  readonly file: string;
  readonly argv: (dir: string) => readonly string[];
  readonly env: (dir: string) => readonly string[];
  /** A command of no consequence, which makes a started VM know the way of all others. */
  readonly warmUp: readonly string[];
}

/** By the name of their program. */
export const zygoteKinds: Readonly<Record<string, ZygoteKind>> = {
  python3: {
    file: 'python/sitecustomize.py',
    argv: () => ['python3', '-m', 'zygote'],
    env: (dir) => [`PYTHONPATH=${dir}/python`],
    warmUp: ['python3', '-c', 'print(1)'],
  },
  node: {
    file: 'node.cjs',
    argv: (dir) => ['node', '-r', `${dir}/node.cjs`, 'zygote'],
    env: () => [],
    warmUp: ['node', '-e', 'console.log(1)'],
  },
};

/** A zygote of an image. */
export interface Zygote {
  readonly name: string;
  readonly file: string;
  readonly bytes: Buffer;
  readonly start: ExecSpec;
  readonly warmUp: ExecSpec;
}

/** Those an image names. One that this version does not know is none. */
export function zygotesOf(labels: Readonly<Record<string, string>>): readonly Zygote[] {
  return (labels[zygotesLabel] ?? '').split(' ').flatMap((name) => {
    const kind = Object.hasOwn(zygoteKinds, name) ? zygoteKinds[name] : undefined;
    if (kind === undefined) return [];
    const spec = (argv: readonly string[], more: readonly string[] = []): ExecSpec => {
      return { argv, env: [...env, ...more], cwd: '/', uid: 0 };
    };
    const start = spec(kind.argv(zygotesGuestDir), kind.env(zygotesGuestDir));
    const bytes = readFileSync(`${sourceDir}/${kind.file}`);
    return [{ name, file: kind.file, bytes, start, warmUp: spec(kind.warmUp) }];
  });
}

/** Changes with whatever the zygotes of a template depend on. */
export function digestOfZygotes(zygotes: readonly Zygote[]): string {
  const hash = createHash('sha256');
  for (const { name, bytes, start } of zygotes) hash.update(JSON.stringify([name, start])).update(bytes);
  return hash.digest('hex');
}
