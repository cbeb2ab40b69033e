/** A file system of a few MiB that a test can fill and free: a tmpfs, which only root may mount. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class SmallDisk {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Undefined, and a word to the reader of the test's output, when this host does not allow it. */
  static mount(sizeMiB: number, dir = mkdtempSync(join(tmpdir(), 'blixard-disk-'))): SmallDisk | undefined {
    const options = ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'blixard-test', dir];
    const { status, stderr } = spawnSync('mount', options, { encoding: 'utf8' });
    if (status === 0) return new SmallDisk(dir);
    process.stderr.write(`NOT TESTED: a full disk. mount needs root, and here it says: ${stderr}\n`);
    return undefined;
  }

  /** Takes every byte that is left. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (let size = 1_048_576; size >= 1; ) {
        try {
          writeSync(file, Buffer.alloc(size, 0x66));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          size = Math.floor(size / 2);
        }
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives back what `fill` took. */
  free(): void {
    rmSync(this.#filler, { force: true });
  }

  /** Lazily, so that a process that still has a file of it open is no hindrance. */
  unmount(): void {
    spawnSync('umount', ['--lazy', this.dir]);
    rmdirSync(this.dir);
  }

  get #filler(): string {
    return join(this.dir, 'filler');
  }
}
