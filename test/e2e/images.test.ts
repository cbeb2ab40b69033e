import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageStore } from '../../src/image/image-store.ts';
import { imagesDir, Site } from '../lib/system.ts';
import { builtImage } from './real-vms.ts';

describe('the recipes that ship, in real microVMs', () => {
  let site: Site;
  beforeAll(async () => {
    for (const image of ['base', 'python', 'node']) await builtImage({ image });
    site = await Site.makeMeasured();
    await site.start('up');
  }, 300_000);
  afterAll(() => site.remove());

  const run = (...args: string[]) => site.cli(['run', ...args]);

  it('python and node run with the default memory, with what they need', async () => {
    const python = 'import json, ssl, socket; cached = open(json.__cached__, "rb").read(8)[4]';
    const [one, two] = await Promise.all([
      run(
        '--image',
        'python',
        '--',
        'python3',
        '-c',
        `${python}; print(1, cached, socket.gethostbyname("localhost"))`,
      ),
      run('--image', 'node', '--', 'node', '-e', 'console.log(1, process.version)'),
    ]);
    expect([one.stderr, two.stderr]).toEqual(['', '']);
    // Bytecode of the build, which does not depend on the times of files.
    expect(String(one.stdout)).toBe('1 1 127.0.0.1\n');
    expect(String(two.stdout)).toBe(`1 ${process.version}\n`);
    expect([one.code, two.code]).toEqual([0, 0]);
  });

  it('share kernel and initramfs, tell how they were made, and are listed', async () => {
    const images = new ImageStore({ dir: imagesDir });
    const [base, python, node] = await Promise.all(
      ['base', 'python', 'node'].map((name) => images.find(name)),
    );
    expect([python?.kernelPath, node?.initrdPath]).toEqual([base?.kernelPath, base?.initrdPath]);
    expect(python?.labels).toMatchObject({ recipe: 'python', packages: expect.stringContaining('python3') });
    expect(node?.labels).toMatchObject({ recipe: 'node', node: process.version });
    const listed = String((await site.cli(['image', 'ls'])).stdout);
    for (const name of ['base:latest', 'python:latest', 'node:latest']) expect(listed).toContain(name);
  });
});
