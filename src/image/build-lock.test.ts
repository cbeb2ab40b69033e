import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { removeTree } from '../platform/files.ts';
import { takeBuildLock } from './build-lock.ts';

async function lockFile(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-lock-'));
  onTestFinished(() => removeTree(dir));
  return join(dir, 'build.lock');
}

describe('the build lock', () => {
  it('is had by one at a time, and by the next when it is released', async () => {
    const file = await lockFile();
    const order: string[] = [];
    const first = await takeBuildLock(file);
    const second = takeBuildLock(file).then((lock) => {
      order.push('second has it');
      return lock;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    order.push('first lets go');
    await first.release();
    await (await second).release();
    expect(order).toEqual(['first lets go', 'second has it']);
  });

  it('is free again when its holder is killed', async () => {
    const file = await lockFile();
    const module = new URL('build-lock.ts', import.meta.url).href;
    const code = `const { takeBuildLock } = await import(process.argv[1]);
      await takeBuildLock(process.argv[2]); process.stdout.write('has it');`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', code, module, file];
    const holder = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    const next = takeBuildLock(file);
    holder.kill('SIGKILL');
    await (await next).release();
  });

  it('tells when the file cannot be locked', async () => {
    await expect(takeBuildLock('/no/such/folder/lock')).rejects.toMatchObject({ code: 'IMAGE_BUILD_FAILED' });
  });
});
