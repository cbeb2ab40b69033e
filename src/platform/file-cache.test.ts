import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileCache } from './file-cache.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-cache-'));
  await writeFile(join(dir, 'first'), 'second');
  await writeFile(join(dir, 'second'), 'text');
});
afterEach(() => rm(dir, { recursive: true }));

/** Reads the file whose name is in `first`; counts how often. */
function scene() {
  const cache = new FileCache<string>();
  const first = join(dir, 'first');
  let reads = 0;
  const read = async () => {
    reads++;
    const second = join(dir, await readFile(first, 'utf8'));
    return { value: await readFile(second, 'utf8'), paths: [second] };
  };
  const get = (name = 'name', by = read) => cache.get(name, first, by);
  return { get, read, reads: () => reads };
}

describe('a cache of files', () => {
  it('reads them once, until one of them is written to, replaced or removed', async () => {
    const { get, reads } = scene();
    expect([await get(), await get(), await get()]).toEqual(['text', 'text', 'text']);
    expect(reads()).toBe(1);
    await writeFile(join(dir, 'second'), 'other');
    expect(await get()).toBe('other');
    await writeFile(join(dir, 'new'), 'new');
    await rename(join(dir, 'new'), join(dir, 'second'));
    expect(await get()).toBe('new');
    await rm(join(dir, 'second'));
    await expect(get()).rejects.toThrow('ENOENT');
    expect(reads()).toBe(4);
  });

  it('does not keep what changed while it was read', async () => {
    const { get, read, reads } = scene();
    const late = async () => {
      const made = await read();
      await writeFile(join(dir, 'first'), 'first');
      return made;
    };
    expect(await get('name', late)).toBe('text');
    expect(await get()).toBe('first');
    expect(reads()).toBe(2);
  });

  it('is bounded', async () => {
    const { get, reads } = scene();
    for (let name = 0; name <= 1_000; name++) await get(`${name}`);
    await get('1000');
    expect(reads()).toBe(1_001);
    await get('0');
    expect(reads()).toBe(1_002);
  });
});
