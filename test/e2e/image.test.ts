import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageStore } from '../../src/image/image-store.ts';
import { imagesDir } from '../lib/system.ts';
import { baseImage, guestDir } from './real-vms.ts';

const program = fileURLToPath(new URL('programs/build-image.ts', import.meta.url));

describe('a build of the base image', () => {
  let dir: string;
  let agentSourceDir: string;
  let expected: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'blixard-build-'));
    agentSourceDir = join(dir, 'guest');
    await cp(guestDir, agentSourceDir, { recursive: true });
    // Downloaded packages are shared, so that no test waits for the network.
    expected = (await baseImage(agentSourceDir)).digest;
    await cp(join(imagesDir, 'cache'), join(dir, 'cache'), { recursive: true });
  });
  afterAll(() => rm(dir, { recursive: true }));

  const build = (umask = '022'): ChildProcess & { stdout: NodeJS.ReadableStream } => {
    const builder = [process.execPath, '--import', 'tsx', program, dir, agentSourceDir];
    return spawn('sh', ['-c', 'umask "$0" && exec "$@"', umask, ...builder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  };
  const store = () => new ImageStore({ dir });

  it('that is killed leaves no image, and does not hinder the next', async () => {
    for (const title of ['Fetching', 'root file system']) {
      const killed = build();
      for await (const chunk of killed.stdout) if (String(chunk).includes(title)) break;
      killed.kill('SIGKILL');
      await once(killed, 'exit');
      expect(await store().list()).toEqual([]);
    }
  });

  it('is done once when two ask for it at once, and both get the same image', async () => {
    const both = [build(), build()];
    const [one = '', two = ''] = await Promise.all(both.map((child) => text(child.stdout)));
    expect([one, two].map((output) => output.trim().split('\n').at(-1))).toEqual([expected, expected]);
    expect(`${one}${two}`.match(/root file system/g)).toHaveLength(1);
    expect(`${one}${two}`).toContain('Waiting for another build');
    expect(await readdir(join(dir, 'building'))).toEqual([]);
  });

  it('has nothing to do when the image is there', async () => {
    expect(await text(build().stdout)).toBe(`${expected}\n`);
  });

  it('mends a damaged image, and makes the same one under a umask that forbids others everything', async () => {
    await truncate((await store().find('base'))?.rootPath ?? '', 1_000);
    await expect(store().find('base')).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    expect((await text(build('077').stdout)).trim().split('\n').at(-1)).toBe(expected);
    expect(await store().find('base')).toMatchObject({ digest: expected });
  });
});
