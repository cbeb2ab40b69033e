/** Templates on disk: whole or not there at all, checked by digest before their first use, watched ever after. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, rename, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { strict, wholeNumber } from '../contract/schema.ts';
import { type Static, Type } from '../contract/typebox.ts';
import { Value } from '../contract/typebox-check.ts';
import { templateFiles } from '../hypervisor/hypervisor.ts';
import { readTextIfThere, removeTree, syncDirectory, writeFileDurably } from '../platform/files.ts';

/** A template that is ready for use, and how its files look as long as nobody touches them. */
export interface Template {
  readonly key: string;
  readonly dir: string;
  /** On disk; holes in the memory take none. */
  readonly bytes: number;
  readonly looks: string;
}

/** A template of which only its place and size are known yet. */
export interface StoredTemplate {
  readonly key: string;
  readonly bytes: number;
  readonly usedAtMs: number;
}

const digest = Type.String({ pattern: '^sha256:[0-9a-f]{64}$' });
const Meta = strict({
  formatVersion: Type.Literal(1),
  key: Type.String(),
  /** For people: what it is a template of. */
  image: Type.String(),
  memoryMiB: wholeNumber(1),
  vcpus: wholeNumber(1),
  builtAtMs: wholeNumber(0),
  memory: digest,
  state: digest,
});
type Meta = Static<typeof Meta>;

/** What is written down of a template besides its digests. */
export type TemplateAbout = Omit<Meta, 'formatVersion' | 'memory' | 'state'>;

const metaName = 'meta.json';
const keyText = /^[0-9a-f]{64}$/;
const chunkBytes = 1024 * 1024;
const zeros = Buffer.alloc(chunkBytes);
const names = Object.values(templateFiles);

/** The folder of templates: one below it per key, and one for each that is being built. */
export class TemplateFiles {
  readonly #dir: string;

  constructor(deps: { dir: string }) {
    this.#dir = deps.dir;
  }

  /** Removes what was left half-built; lists what is there, of which nothing is checked yet. */
  async open(): Promise<readonly StoredTemplate[]> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const found: StoredTemplate[] = [];
    for (const name of await readdir(this.#dir)) {
      const stored = keyText.test(name) ? await this.#stored(name) : undefined;
      if (stored === undefined) await removeTree(join(this.#dir, name));
      else found.push(stored);
    }
    return found;
  }

  /** A new folder to build in; on the same file system as the finished ones. */
  begin(): Promise<string> {
    return mkdtemp(join(this.#dir, 'building-'));
  }

  /** Makes a template of what was built in `dir`: on disk when this resolves, and never in parts. */
  async finish(dir: string, about: TemplateAbout): Promise<Template> {
    for (const name of names) await syncFile(join(dir, name));
    const meta: Meta = {
      formatVersion: 1,
      ...about,
      memory: await digestOf(join(dir, templateFiles.memory)),
      state: await digestOf(join(dir, templateFiles.state)),
    };
    await writeFileDurably(join(dir, metaName), `${JSON.stringify(meta, null, 2)}\n`);
    await this.remove(about.key);
    await rename(dir, this.#folder(about.key));
    await syncDirectory(this.#dir);
    return await this.#look(about.key);
  }

  /** The template of this key, its contents checked. Rejects when it is damaged, resolves undefined without one. */
  async load(key: string): Promise<Template | undefined> {
    const text = await readTextIfThere(join(this.#folder(key), metaName));
    if (text === undefined) return undefined;
    const meta: unknown = JSON.parse(text);
    if (!Value.Check(Meta, meta) || meta.key !== key) throw new TypeError('its record has another shape');
    const before = await this.#look(key);
    for (const name of names) {
      const found = await digestOf(join(before.dir, name));
      if (found !== meta[name]) throw new TypeError(`its ${name} is ${found}, not ${meta[name]}`);
    }
    if (!(await this.isUntouched(before))) throw new TypeError('it changed while it was read');
    return before;
  }

  /** False as soon as somebody has written to the files, or put others in their place. */
  async isUntouched({ key, looks }: Template): Promise<boolean> {
    try {
      return (await this.#look(key)).looks === looks;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  /** Remembers the use, also for the next process. */
  async used(key: string, atMs: number): Promise<void> {
    await utimes(join(this.#folder(key), metaName), atMs / 1_000, atMs / 1_000);
  }

  /** Removes a template; VMs that were started from it go on. None is fine. */
  async remove(key: string): Promise<void> {
    await removeTree(join(this.#folder(key), metaName));
    await removeTree(this.#folder(key));
  }

  async #stored(key: string): Promise<StoredTemplate | undefined> {
    try {
      const { mtimeMs } = await stat(join(this.#folder(key), metaName));
      const { bytes } = await this.#look(key);
      return { key, bytes, usedAtMs: mtimeMs };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Change time, which nobody but root can set back, tells of every write. */
  async #look(key: string): Promise<Template> {
    const dir = this.#folder(key);
    const stats = await Promise.all(names.map((name) => stat(join(dir, name), { bigint: true })));
    const looks = stats.map(({ dev, ino, size, ctimeNs }) => [dev, ino, size, ctimeNs].join('/')).join(' ');
    const bytes = stats.reduce((sum, { blocks }) => sum + Number(blocks) * 512, 0);
    return { key, dir, bytes, looks };
  }

  #folder(key: string): string {
    return join(this.#dir, key);
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Of all that is not zero, and where it lies: most of a guest's memory was never touched. */
async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  const chunk = Buffer.allocUnsafe(chunkBytes);
  const place = Buffer.alloc(8);
  try {
    for (let at = 0; ; at += chunkBytes) {
      const { bytesRead } = await file.read(chunk, 0, chunkBytes, at);
      place.writeBigUInt64LE(BigInt(at + bytesRead));
      if (bytesRead === 0) return `sha256:${hash.update(place).digest('hex')}`;
      const bytes = chunk.subarray(0, bytesRead);
      if (!bytes.equals(zeros.subarray(0, bytesRead))) hash.update(place).update(bytes);
    }
  } finally {
    await file.close();
  }
}
