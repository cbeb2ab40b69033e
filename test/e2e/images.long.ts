import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageStore } from '../../src/image/image-store.ts';
import { imagesDir, Site } from '../lib/system.ts';
import { baseImage } from './real-vms.ts';

const bin = fileURLToPath(new URL('../../dist/main/bin.js', import.meta.url));
const packages = ['ca-certificates', 'curl', 'git', 'netcat-openbsd', 'openssl', 'python3'].join(',');

describe('an image of named packages', () => {
  const dirs: string[] = [];
  beforeAll(async () => {
    await baseImage();
    for (let count = 0; count < 2; count++) {
      const dir = await mkdtemp(join(tmpdir(), 'blixard-packages-'));
      dirs.push(dir);
      await cp(join(imagesDir, 'cache'), join(dir, 'cache'), { recursive: true });
    }
  });
  afterAll(async () => {
    for (const dir of dirs) await rm(dir, { recursive: true, force: true });
  });

  const build = async (dir: string, umask: string, ...args: string[]): Promise<string> => {
    const command = [process.execPath, bin, 'image', 'build', ...args, '--images-dir', dir];
    const child = spawn('sh', ['-c', 'umask "$0" && exec "$@"', umask, ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const told = text(child.stdout);
    await once(child, 'exit');
    return (await told).trim();
  };

  it('is the same for the same packages, in any order, wherever and by whomever it is built', async () => {
    const turned = packages.split(',').reverse().join(',');
    const one = await build(dirs[0] ?? '', '022', 'tools', '--packages', packages);
    const two = await build(dirs[1] ?? '', '077', 'other:v1', '--packages', turned);
    expect(one).toMatch(/^tools:latest .* sha256:[0-9a-f]{64}$/);
    expect(two.split(' ').at(-1)).toBe(one.split(' ').at(-1));
  });

  it('has what the scripts of its packages would have made', async () => {
    const site = await Site.make();
    try {
      await site.start('up', { BLIXARD_IMAGES_DIR: dirs[0] ?? '' });
      const script = `set -e
        nc -h 2>&1 | head -1; awk 'BEGIN { print "awk" }'; curl --version | head -c 4; echo
        git init -q /tmp/x; cd /tmp/x; echo hi > a; git add a
        git -c user.name=n -c user.email=e commit -q -m m; git log --format=%s
        openssl verify /etc/ssl/certs/ISRG_Root_X1.pem | tail -c 3
        python3 -c 'import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 100)'
        dpkg-query -W -f '\${Package} \${Status}\n' git`;
      const { stdout, stderr, code } = await site.cli(['run', '--image', 'tools', '--', 'sh', '-c', script]);
      expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
      expect(String(stdout).split('\n')).toEqual([
        expect.stringContaining('OpenBSD'),
        ...['awk', 'curl', 'm', 'OK', 'True', 'git install ok installed', ''],
      ]);
    } finally {
      await site.remove();
    }
  });

  it('is refused by the name of a package that there is not, and leaves nothing', async () => {
    const site = await Site.make();
    const { stderr, code } = await site.cli(['image', 'build', 'bad', '--packages', 'git,no-such-thing'], {
      env: { BLIXARD_IMAGES_DIR: dirs[0] ?? '' },
    });
    await site.remove();
    expect(code).toBe(125);
    expect(stderr).toContain("--packages: this host's package lists do not have no-such-thing;");
    const names = (await new ImageStore({ dir: dirs[0] ?? '' }).list()).map(({ name }) => name);
    expect(names).toEqual(['tools']);
  });
});
