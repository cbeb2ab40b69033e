/** What Debian's scripts would have made after unpacking, as far as a job would miss it; they themselves never run. */
import { readdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { linkAlternatives, parseAlternatives } from './alternatives.ts';
import type { PackageControl } from './apt.ts';
import type { BuildProgress } from './build-progress.ts';
import { ensureFolder, writeRootFile } from './root-files.ts';
import { runProgram } from './run-program.ts';

/** Finishes the file system below `root`; equal packages give equal files. */
export async function finishRoot(
  root: string,
  packages: readonly PackageControl[],
  progress: BuildProgress,
): Promise<void> {
  await listPackages(root, packages);
  const alternatives = packages.flatMap(({ postinst }) => parseAlternatives(postinst));
  await linkAlternatives(root, alternatives);
  await compilePython(root, progress);
  await bundleCertificates(root);
  await cacheLibraries(root);
}

/** So that dpkg -l in a guest tells what it has. */
async function listPackages(root: string, packages: readonly PackageControl[]): Promise<void> {
  const entries = packages.map(({ fields }) =>
    fields.trimEnd().replace(/^(Package: .*)$/m, '$1\nStatus: install ok installed'),
  );
  await writeRootFile(join(root, 'var/lib/dpkg/status'), `${entries.join('\n\n')}\n`);
}

/** Without bytecode each start of Python in a fresh VM would compile what it imports. */
async function compilePython(root: string, progress: BuildProgress): Promise<void> {
  for (const python of (await namesIn(root, 'usr/bin')).filter((name) => /^python3\.\d+$/.test(name))) {
    progress.step(`Compiling the library of ${python}`);
    const libraries = [`usr/lib/${python}`, 'usr/lib/python3/dist-packages'];
    const there = [];
    for (const dir of libraries) if ((await namesIn(root, dir)).length > 0) there.push(join(root, dir));
    // No times of source files in it: those of an image are not the ones here.
    const how = ['-f', '-q', '--invalidation-mode', 'unchecked-hash', '-s', root, '-p', '/'];
    const env = {
      PYTHONHOME: join(root, 'usr'),
      PYTHONPATH: '',
      PYTHONHASHSEED: '0',
      PYTHONDONTWRITEBYTECODE: '1',
    };
    const args = ['-S', '-m', 'compileall', ...how, '-x', 'sitecustomize\\.py$', ...there];
    await runInRoot(root, `usr/bin/${python}`, args, env);
  }
}

/** The certificates of the package ca-certificates: one file of all, and a link for each by the hash of its subject. */
async function bundleCertificates(root: string): Promise<void> {
  const from = 'usr/share/ca-certificates/mozilla';
  const names = (await namesIn(root, from)).filter((name) => name.endsWith('.crt'));
  if (names.length === 0) return;
  const dir = join(root, 'etc/ssl/certs');
  await ensureFolder(dir);
  const texts: Buffer[] = [];
  for (const name of names) {
    texts.push(await readFile(join(root, from, name)));
    await symlink(`../../../${from}/${name}`, join(dir, name.replace(/crt$/, 'pem')));
  }
  await runInRoot(root, 'usr/bin/openssl', ['rehash', dir], { OPENSSL_CONF: '/dev/null' });
  await writeRootFile(join(dir, 'ca-certificates.crt'), Buffer.concat(texts));
}

/** Libraries outside the loader's own folders are found by its cache only. */
async function cacheLibraries(root: string): Promise<void> {
  await writeRootFile(join(root, 'etc/ld.so.conf'), 'include /etc/ld.so.conf.d/*.conf\n');
  await runProgram({ program: '/sbin/ldconfig', args: ['-X', '-r', root] });
  await rm(join(root, 'var/cache/ldconfig'), { recursive: true, force: true });
}

/** Runs a program of the image on this host, with the libraries of the image. */
async function runInRoot(
  root: string,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
  const loader = join(libraries, 'ld-linux-x86-64.so.2');
  await runProgram({
    program: loader,
    args: ['--library-path', libraries, join(root, program), ...args],
    env,
  });
}

async function namesIn(root: string, dir: string): Promise<readonly string[]> {
  try {
    return (await readdir(join(root, dir))).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
