/** Debian packages for an image: solved by apt as if nothing were installed, downloaded, unpacked; no root needed. */
import { mkdir, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { readTextIfThere } from '../platform/files.ts';
import { buildFailed, runProgram } from './run-program.ts';

/** A package file as apt names it. */
interface PackageFile {
  readonly fileName: string;
  readonly name: string;
  readonly bytes: number;
}

/** What a package tells dpkg. */
export interface PackageControl {
  /** `Package: …`, `Version: …`, … */
  readonly fields: string;
  /** A shell script, or nothing. */
  readonly postinst: string;
}

/** Parts of packages that no job needs. */
const leftOut = ['doc', 'man', 'info', 'locale', 'doc-base', 'lintian', 'menu'];

export class Apt {
  readonly #cacheDir: string;
  readonly #workDir: string;
  readonly #clock: Clock;

  /**
   * @param deps.cacheDir where downloaded package files stay.
   * @param deps.workDir a folder for this build alone.
   */
  constructor(deps: { cacheDir: string; workDir: string; clock: Clock }) {
    this.#cacheDir = deps.cacheDir;
    this.#workDir = deps.workDir;
    this.#clock = deps.clock;
  }

  /** The package that a package without contents stands for, for example the newest kernel. */
  async dependencyOf(name: string): Promise<string> {
    const told = await this.#run('apt-cache', ['depends', '--important', name]);
    const dependency = /^\s+Depends: (\S+)$/m.exec(told)?.[1];
    if (dependency !== undefined) return dependency;
    throw buildFailed(`apt knows no package that ${name} depends on`);
  }

  /** Path of one package's file, downloaded if need be. */
  async file(name: string): Promise<string> {
    const [path] = await this.#download(await this.#listed(['download', name]));
    if (path !== undefined) return path;
    throw buildFailed(`apt does not offer the package ${name}`);
  }

  /** Which of these names this host's package lists do not have. */
  async unknown(names: readonly string[]): Promise<readonly string[]> {
    const listed = await this.#run('apt-cache', ['madison', ...names]);
    const known = new Set([...listed.matchAll(/^\s*(\S+) \|/gm)].map(([, name]) => name));
    return names.filter((name) => !known.has(name));
  }

  /** Paths of the files of these packages and of all they depend on, downloaded if need be. */
  async files(names: readonly string[]): Promise<readonly string[]> {
    const status = join(this.#workDir, 'no-packages');
    const archives = join(this.#workDir, 'no-archives');
    await mkdir(join(archives, 'partial'), { recursive: true });
    await writeFile(status, '');
    return this.#download(
      await this.#listed([
        ...['-o', `Dir::State::status=${status}`],
        ...['-o', `Dir::Cache::archives=${archives}`],
        // apt's own cache describes this host, not the empty one asked about here.
        ...['-o', 'Dir::Cache::pkgcache=', '-o', 'Dir::Cache::srcpkgcache='],
        // A name is a name; apt would take one it does not know for a pattern.
        ...['-o', 'APT::Cmd::Pattern-Only=true'],
        ...['-o', 'APT::Install-Recommends=false', '-o', 'Debug::NoLocking=true'],
        ...['--yes', 'install', ...names],
      ]),
    );
  }

  /** Unpacks package files into `root`, in which /bin, /sbin, /lib and /lib64 may be links. */
  async unpack(files: readonly string[], root: string): Promise<void> {
    const exclude = leftOut.map((name) => `--exclude=./usr/share/${name}/*`);
    const tar = ['tar', '--extract', '--file=-', `--directory=${root}`, '--keep-directory-symlink'];
    const modes = ['--preserve-permissions', '--no-same-owner'];
    const script = 'set -o pipefail; file=$1; shift; dpkg-deb --fsys-tarfile "$file" | "$@"';
    for (const file of files) {
      await this.#run('bash', ['-c', script, 'unpack', file, ...tar, ...modes, ...exclude]);
    }
  }

  /** What packages tell dpkg, one after the other: the text that describes each, and the script run after unpacking. */
  async control(files: readonly string[]): Promise<readonly PackageControl[]> {
    const told: PackageControl[] = [];
    for (const [index, file] of files.entries()) {
      const dir = join(this.#workDir, 'control', String(index));
      await mkdir(dir, { recursive: true });
      await this.#run('dpkg-deb', ['--control', file, dir]);
      const fields = (await readTextIfThere(join(dir, 'control'))) ?? '';
      told.push({ fields, postinst: (await readTextIfThere(join(dir, 'postinst'))) ?? '' });
    }
    return told;
  }

  async #listed(args: readonly string[]): Promise<readonly PackageFile[]> {
    const printed = await this.#run('apt-get', ['--print-uris', ...args]);
    return [...printed.matchAll(/^'[^']+' ((\S+?)_\S+\.deb) (\d+)/gm)].map(
      ([, fileName = '', name = '', bytes]) => ({ fileName, name, bytes: Number(bytes) }),
    );
  }

  /** apt checks each file's hash; a whole file is then moved into the cache, so that no part is ever found there. */
  async #download(files: readonly PackageFile[]): Promise<readonly string[]> {
    await mkdir(this.#cacheDir, { recursive: true });
    const pathOf = (file: PackageFile): string => join(this.#cacheDir, file.fileName);
    const missing: PackageFile[] = [];
    for (const file of files) if (!(await hasBytes(pathOf(file), file.bytes))) missing.push(file);
    if (missing.length > 0) {
      const arriving = join(this.#workDir, 'arriving');
      await mkdir(arriving, { recursive: true });
      await this.#run('apt-get', ['--quiet', 'download', ...missing.map((file) => file.name)], arriving);
      for (const fileName of await readdir(arriving)) {
        await rename(join(arriving, fileName), join(this.#cacheDir, fileName));
      }
    }
    // When it was last used decides which one goes first.
    const nowSeconds = this.#clock.nowMs() / 1_000;
    for (const file of files) await utimes(pathOf(file), nowSeconds, nowSeconds);
    return files.map(pathOf);
  }

  #run(program: string, args: readonly string[], cwd = this.#workDir): Promise<string> {
    const asWhoWeAre = ['-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Retries=3'];
    const withOptions = program.startsWith('apt') ? [...asWhoWeAre, ...args] : args;
    return runProgram({ program, args: withOptions, cwd });
  }
}

async function hasBytes(path: string, bytes: number): Promise<boolean> {
  try {
    return (await stat(path)).size === bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
