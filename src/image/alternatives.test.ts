import { lstat, mkdir, mkdtemp, readdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { removeTree } from '../platform/files.ts';
import { type Alternative, linkAlternatives, parseAlternatives } from './alternatives.ts';

const postinst = `#!/bin/sh
set -e
if [ "$1" = "configure" ]; then
  update-alternatives --quiet \\
    --install /usr/bin/awk awk /usr/bin/mawk 5 \\
    --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz \\
    --slave /usr/bin/nawk nawk /usr/bin/mawk
  update-alternatives --install /usr/bin/x x /usr/bin/y 20 || true
  update-alternatives --install "$bin" java /usr/lib/jvm/bin/java $priority
  update-alternatives --install /usr/bin/../../x x /usr/bin/y 20
  update-alternatives --remove old /usr/bin/old
fi
`;

function alternative(name: string, path: string, priority: number): Alternative {
  return { link: `/usr/bin/${name}`, name, path, priority, slaves: [] };
}

async function makeRoot(...files: string[]): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-root-'));
  onTestFinished(() => removeTree(dir));
  const root = join(dir, 'root');
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  for (const file of files) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), '');
  }
  return root;
}

describe('alternatives', () => {
  it('are read from the words of a script; what it computes is left out', () => {
    expect(parseAlternatives(postinst)).toEqual([
      {
        ...alternative('awk', '/usr/bin/mawk', 5),
        slaves: [
          { link: '/usr/share/man/man1/awk.1.gz', name: 'awk.1.gz', path: '/usr/share/man/man1/mawk.1.gz' },
          { link: '/usr/bin/nawk', name: 'nawk', path: '/usr/bin/mawk' },
        ],
      },
      alternative('x', '/usr/bin/y', 20),
    ]);
    expect(parseAlternatives('')).toEqual([]);
  });

  it('are links to the one of the highest priority that is there, with its slaves that are there', async () => {
    const root = await makeRoot('usr/bin/mawk', 'usr/bin/nc.openbsd', 'usr/bin/nc.traditional');
    await linkAlternatives(root, [
      ...parseAlternatives(postinst),
      alternative('nc', '/usr/bin/nc.traditional', 10),
      alternative('nc', '/usr/bin/nc.openbsd', 50),
      alternative('nc', '/usr/bin/nc.best', 90),
    ]);
    expect((await readdir(join(root, 'etc/alternatives'))).sort()).toEqual(['awk', 'nawk', 'nc']);
    expect(await readlink(join(root, 'usr/bin/nc'))).toBe('/etc/alternatives/nc');
    expect(await readlink(join(root, 'etc/alternatives/nc'))).toBe('/usr/bin/nc.openbsd');
    expect(await readlink(join(root, 'usr/bin/nawk'))).toBe('/etc/alternatives/nawk');
    expect(await readdir(join(root, 'usr'))).toEqual(['bin']);
  });

  it('never replace a file of a package, and never leave the image', async () => {
    const root = await makeRoot('usr/bin/y', 'usr/bin/x');
    await mkdir(join(root, '../outside'));
    await symlink('../../outside', join(root, 'usr/out'));
    const outside = { link: '/usr/out/z', name: 'z', path: '/usr/bin/y', priority: 1, slaves: [] };
    await linkAlternatives(root, [alternative('x', '/usr/bin/y', 20), outside]);
    expect((await lstat(join(root, 'usr/bin/x'))).isFile()).toBe(true);
    expect(await readdir(join(root, '../outside'))).toEqual([]);
  });
});
