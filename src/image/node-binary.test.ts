import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { removeTree } from '../platform/files.ts';
import { addNode, hostNode, parseLdd } from './node-binary.ts';

const told = `\tlinux-vdso.so.1 (0x00007fb28fede000)
\tlibstdc++.so.6 => /lib/x86_64-linux-gnu/libstdc++.so.6 (0x00007fb28fc00000)
\tlibnode.so.115 => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007fb28fee0000)
`;

describe('the Node.js of this host', () => {
  it('is linked with what ldd tells', () => {
    expect(parseLdd(told)).toEqual([
      { name: 'libstdc++.so.6', path: '/lib/x86_64-linux-gnu/libstdc++.so.6' },
      { name: 'libnode.so.115', path: undefined },
      { name: 'ld-linux-x86-64.so.2', path: '/lib64/ld-linux-x86-64.so.2' },
    ]);
    expect(parseLdd('\tnot a dynamic executable\n')).toEqual([]);
    expect(parseLdd('\tstatically linked\n')).toEqual([]);
  });

  it('is put into an image with those of its libraries that packages did not bring', async () => {
    const root = await mkdtemp(join(tmpdir(), 'blixard-root-'));
    onTestFinished(() => removeTree(root));
    const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
    await mkdir(libraries, { recursive: true });
    await writeFile(join(libraries, 'libc.so.6'), 'of a package');
    const node = await hostNode();
    expect(node).toMatchObject({ version: process.version, digest: expect.stringMatching(/^sha256:/) });
    await addNode(root, { ...node, path: '/bin/sh' });
    expect((await stat(join(root, 'usr/local/bin/node'))).mode & 0o777).toBe(0o755);
    expect(await readFile(join(libraries, 'libc.so.6'), 'utf8')).toBe('of a package');
    expect(await readdir(libraries)).toContain('ld-linux-x86-64.so.2');
  });
});
