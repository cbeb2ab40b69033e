/** The files of a fake guest: bytes by path, and pipes that pass on what is written to them. */

export class FakeFiles {
  readonly #bytes = new Map<string, Buffer>();
  readonly #pipes = new Map<string, (data: Buffer) => void>();

  /** What is written to this path from now on goes to `taker`. */
  pipe(path: string, taker: (data: Buffer) => void): void {
    this.#pipes.set(path, taker);
  }

  write(path: string, data: Buffer, offset = 0): void {
    const pipe = this.#pipes.get(path);
    const before = this.#bytes.get(path)?.subarray(0, offset) ?? Buffer.alloc(0);
    if (pipe === undefined) this.#bytes.set(path, Buffer.concat([before, data]));
    else pipe(data);
  }

  read(path: string): Buffer | undefined {
    return this.#bytes.get(path);
  }

  /** This folder is gone, with all in it. */
  remove(folder: string): void {
    for (const paths of [this.#bytes, this.#pipes]) {
      for (const path of paths.keys()) if (path.startsWith(`${folder}/`)) paths.delete(path);
    }
  }

  /** All are gone. */
  clear(): void {
    this.#bytes.clear();
    this.#pipes.clear();
  }

  /** Paths of files in this folder and those in it, by name. */
  below(folder: string): string[] {
    return [...this.#bytes.keys(), ...this.#pipes.keys()]
      .filter((path) => path.startsWith(`${folder}/`))
      .sort();
  }
}
