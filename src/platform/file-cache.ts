/** What was made of files, kept for as long as none of them changes. */
import { stat } from 'node:fs/promises';

/** A value, and the paths of all it was made of. */
export interface MadeOfFiles<T> {
  readonly value: T;
  readonly paths: readonly string[];
}

/** Names differ as little as what an operator has: beyond this many all are forgotten. */
const namesMax = 1_000;

/** Looks at files each time, but reads them only when they have changed. */
export class FileCache<T> {
  readonly #known = new Map<string, MadeOfFiles<T> & { readonly looks: string }>();

  /**
   * The value of this name. `first` is the path that says which the others are: when that changes while `read` runs,
   * the value is not kept. Rejects as `read` does.
   */
  async get(name: string, first: string, read: () => Promise<MadeOfFiles<T>>): Promise<T> {
    const known = this.#known.get(name);
    if (known !== undefined && (await looksOf(known.paths)) === known.looks) return known.value;
    this.#known.delete(name);
    const before = await looksOf([first]);
    const { value, paths } = await read();
    const all = [first, ...paths];
    const looks = await looksOf(all);
    if (this.#known.size >= namesMax) this.#known.clear();
    if (looks.startsWith(before)) this.#known.set(name, { value, paths: all, looks });
    return value;
  }
}

/** Differs as soon as one of them was written to, replaced, removed or made. */
async function looksOf(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map(lookOf))).join('');
}

async function lookOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, ctimeNs } = await stat(path, { bigint: true });
    return `${dev}/${ino}/${size}/${ctimeNs} `;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'none ';
    throw error;
  }
}
