import { describe, expect, it } from 'vitest';
import { httpTransport } from '../client/index.ts';
import { defaults } from '../domain/defaults.ts';
import { CliScene } from './cli-scene.suite.ts';
import type { HostCommands } from './context.ts';

/** No command line of this file needs a server. */
const call = async (args: readonly string[], { host }: { host: Partial<HostCommands> }) => {
  const scene = new CliScene({ transport: () => httpTransport({ url: 'http://127.0.0.1:9' }), host });
  const code = await scene.run(...args);
  return { code, stdout: scene.terminal.stdout, stderr: scene.terminal.stderr };
};

const facts = {
  ...{ name: 'node', tag: 'v1', digest: 'sha256:1', bytes: 2_048, builtAtMs: 0 },
  ...{ kernelPath: '/i/kernel', initrdPath: '/i/initrd', rootPath: '/i/root', rootFsType: 'squashfs' },
  labels: { recipe: 'node', node: 'v20\u001b[2J' },
};

describe('the commands of images', () => {
  it('image build tells its steps on standard error and its image on standard output', async () => {
    const image = { name: 'base', tag: 'latest', digest: 'sha256:1', bytes: 1_024, builtAtMs: 0 };
    const wishes: unknown[] = [];
    const buildImage = async (_flags: unknown, wish: unknown, step: (title: string) => void) => {
      wishes.push(wish);
      step('Compiling');
      return image;
    };
    const { stdout, stderr } = await call(['image', 'build', 'base'], { host: { buildImage } });
    expect(stderr).toBe('blixard: Compiling\n');
    expect(stdout).toBe('base:latest  1.0 KiB  sha256:1\n');
    const args = ['image', 'build', 'py:2', '--recipe', 'python', '--packages', 'git,curl'];
    await call([...args, '-o', 'json'], { host: { buildImage } });
    expect(wishes).toEqual([{ image: 'base' }, { image: 'py:2', recipe: 'python', packages: 'git,curl' }]);
  });

  it('image warm takes the size of the VMs, and tells its steps and the template', async () => {
    const asked: unknown[] = [];
    const warmImage: HostCommands['warmImage'] = async (_flags, image, size, step) => {
      asked.push(size);
      step('Saving its memory');
      return { image, key: 'k1', bytes: 1_024 };
    };
    const { stdout, stderr } = await call(['image', 'warm', 'base', '-m', '1g', '--cpus', '2'], {
      host: { warmImage },
    });
    expect(stdout).toBe('base  1.0 KiB  k1\n');
    expect(stderr).toBe('blixard: Saving its memory\n');
    const told = await call(['image', 'warm', 'base', '-o', 'json'], { host: { warmImage } });
    expect(JSON.parse(told.stdout)).toEqual({ image: 'base', key: 'k1', bytes: 1_024 });
    await call(['image', 'warm', 'base', '--tenant', 'acme'], { host: { warmImage } });
    expect(asked).toEqual([
      { memoryMiB: 1_024, vcpus: 2 },
      { memoryMiB: 128, vcpus: 1 },
      { memoryMiB: 128, vcpus: 1, tenant: 'acme' },
    ]);
  });

  it('image ls lists the whole ones, and says which are damaged', async () => {
    const listImages = async (_flags: unknown, onDamaged: (problem: string) => void) => {
      onDamaged('The image a:latest on this host is damaged: x');
      return { dir: '/i', images: [facts] };
    };
    const { stdout, stderr, code } = await call(['image', 'ls'], { host: { listImages } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^IMAGE .*\nnode:v1 +2\.0 KiB .*sha256:1\n$/);
    expect(stderr).toBe('blixard: The image a:latest on this host is damaged: x\n');
  });

  it('image ls names the folder where it finds none', async () => {
    const listImages = async () => ({ dir: '/some/where', images: [] });
    const { stderr } = await call(['image', 'ls'], { host: { listImages } });
    expect(stderr).toBe('blixard: there is no image in /some/where; blixard image build makes one\n');
    const asJson = await call(['image', 'ls', '-o', 'json'], { host: { listImages } });
    expect(JSON.parse(asJson.stdout)).toEqual({ images: [] });
  });

  it('image get shows all that is known, with nothing a terminal would obey', async () => {
    const asked: unknown[] = [];
    const getImage = async (_flags: unknown, name: string) => {
      asked.push(name);
      return facts;
    };
    const { stdout } = await call(['image', 'get', 'node:v1'], { host: { getImage } });
    expect(stdout).toMatch(/image +node:v1\n/);
    expect(stdout).toMatch(/size +2\.0 KiB\n/);
    expect(stdout).toMatch(/recipe +node\n/);
    expect(stdout).toMatch(/root file +\/i\/root \(squashfs\)\n/);
    expect(stdout).not.toContain('\u001b');
    const told = await call(['image', 'get', 'node', '-o', 'json'], { host: { getImage } });
    expect(JSON.parse(told.stdout)).toEqual(facts);
    expect(asked).toEqual(['node:v1', 'node']);
  });

  it('image rm takes several, and tells what each has freed', async () => {
    const removeImages = async (_flags: unknown, names: readonly string[], step: (title: string) => void) => {
      step('Waiting');
      return names.map((image) => ({ image, blobs: 2, packages: 0, bytes: 1_024 }));
    };
    const { stdout, stderr } = await call(['image', 'rm', 'a:latest', 'b:v1'], { host: { removeImages } });
    expect(stdout).toBe(
      'a:latest  removed, 2 files and 1.0 KiB freed\nb:v1  removed, 2 files and 1.0 KiB freed\n',
    );
    expect(stderr).toBe('blixard: Waiting\n');
    expect((await call(['image', 'rm'], { host: { removeImages } })).code).toBe(125);
  });

  it('image gc takes the room of packages, and tells what went', async () => {
    const rooms: number[] = [];
    const collectImageGarbage = async (_flags: unknown, packageBytes: number) => {
      rooms.push(packageBytes);
      return { blobs: 3, packages: 4, bytes: 1_024 };
    };
    const host = { collectImageGarbage };
    expect((await call(['image', 'gc'], { host })).stdout).toBe(
      '3 files and 4 packages removed, 1.0 KiB freed\n',
    );
    await call(['image', 'gc', '--keep-packages', '10m', '-o', 'json'], { host });
    await call(['image', 'gc', '--keep-packages', '0'], { host });
    expect(rooms).toEqual([defaults.packageCacheBytes, 10 * 1_024 ** 2, 0]);
    const bad = await call(['image', 'gc', '--keep-packages', 'some'], { host });
    expect(bad.code).toBe(125);
    expect(bad.stderr).toContain('--keep-packages some: it must be a size');
  });
});
