/** A wall clock of its own for a process of a test, which can be set while it runs; durations stay real. */
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from './system.ts';

/** One clock; every process started with its `env` follows it. */
export class FakedTime {
  readonly #dir = mkdtempSync(join(tmpdir(), 'blixard-time-'));

  constructor() {
    this.set(0);
  }

  get env(): Env {
    return {
      LD_PRELOAD: libraryPath(),
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_NO_CACHE: '1',
      FAKETIME_TIMESTAMP_FILE: this.#file,
    };
  }

  /** Sets the clock so far ahead of the true time, or behind it. */
  set(aheadMs: number): void {
    const part = `${this.#file}.part`;
    writeFileSync(part, `${aheadMs < 0 ? '-' : '+'}${Math.abs(aheadMs) / 1_000}\n`);
    renameSync(part, this.#file);
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true });
  }

  get #file(): string {
    return join(this.#dir, 'offset');
  }
}

/** Of the Debian package libfaketime, which keeps it in the folder of the architecture. */
function libraryPath(): string {
  const paths = readdirSync('/usr/lib').map((name) =>
    join('/usr/lib', name, 'faketime', 'libfaketimeMT.so.1'),
  );
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error('libfaketime is not installed; npm run setup installs it');
  return found;
}
