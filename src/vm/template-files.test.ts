import { mkdir, readdir, readFile, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../hypervisor/qemu/scripts.suite.ts';
import { TemplateFiles } from './template-files.ts';

const key = 'a'.repeat(64);
const about = { key, image: 'sha256:1', memoryMiB: 128, vcpus: 1, builtAtMs: 5 };

let dir: string;
let files: TemplateFiles;
beforeEach(async () => {
  dir = join(await temporaryFolder(), 'templates');
  files = new TemplateFiles({ dir });
  await files.open();
});

async function build(memory = 'memory'): Promise<string> {
  const folder = await files.begin();
  await writeFile(join(folder, 'memory'), memory);
  // Memory that no guest touched is a hole.
  await truncate(join(folder, 'memory'), 3 * 1024 * 1024 + 7);
  await writeFile(join(folder, 'state'), 'state');
  return folder;
}

describe('the files of templates', () => {
  it('are not seen before they are finished, and found by the next process after', async () => {
    const folder = await build();
    expect(await files.load(key)).toBeUndefined();
    const template = await files.finish(folder, about);
    expect(await files.load(key)).toEqual(template);
    const [stored] = await new TemplateFiles({ dir }).open();
    expect(stored).toMatchObject({ key, bytes: template.bytes });
    expect(template.bytes).toBeLessThan(1024 * 1024);
  });

  it('half-built ones are swept, as is whatever else lies there', async () => {
    await build();
    await mkdir(join(dir, 'b'.repeat(64)));
    await writeFile(join(dir, 'stray'), '');
    expect(await new TemplateFiles({ dir }).open()).toEqual([]);
    expect(await readdir(dir)).toEqual([]);
  });

  it.each([
    ['memory was changed', () => writeFile(join(dir, key, 'memory'), 'Memory'), /its memory is/],
    ['memory was moved', () => moved(), /its memory is/],
    ['state was cut off', () => truncate(join(dir, key, 'state'), 2), /its state is/],
    ['record is another one', () => writeFile(join(dir, key, 'meta.json'), '{}'), /another shape/],
  ])('whose %s are refused', async (_, damage, problem) => {
    await files.finish(await build(), about);
    await damage();
    await expect(files.load(key)).rejects.toThrow(problem);
  });

  /** The same bytes at another place of the file. */
  async function moved(): Promise<void> {
    const bytes = await readFile(join(dir, key, 'memory'));
    await writeFile(
      join(dir, key, 'memory'),
      Buffer.concat([bytes.subarray(2 ** 20), bytes.subarray(0, 2 ** 20)]),
    );
  }

  it('are known as touched after a write that changes nothing and sets the time back', async () => {
    const template = await files.finish(await build(), about);
    expect(await files.isUntouched(template)).toBe(true);
    const memory = join(dir, key, 'memory');
    await writeFile(memory, await readFile(memory));
    await utimes(memory, 1, 1);
    expect(await files.isUntouched(template)).toBe(false);
    await files.remove(key);
    expect(await files.isUntouched(template)).toBe(false);
    await files.remove(key);
  });

  it('are not touched by being used, and the use is remembered', async () => {
    const template = await files.finish(await build(), about);
    await files.used(key, 1_000_000);
    expect(await files.isUntouched(template)).toBe(true);
    expect(await new TemplateFiles({ dir }).open()).toMatchObject([{ key, usedAtMs: 1_000_000 }]);
  });
});
