/** Compiling the agent: what comes out runs anywhere, and a failure names its cause. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildAgent } from './agent-build.ts';

const sourceDir = fileURLToPath(new URL('../../guest', import.meta.url));
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-agent-build-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

describe('buildAgent', () => {
  it('makes a static program that says how it is called', { timeout: 60_000 }, async () => {
    const outFile = join(dir, 'agent');
    await buildAgent({ sourceDir, outFile });
    expect(await readdir(dir)).toEqual(['agent']);
    const { stdout } = await promisify(execFile)('readelf', ['--program-headers', outFile]);
    expect(stdout).not.toContain('INTERP');
    const usage = promisify(execFile)(outFile, ['--unknown']);
    await expect(usage).rejects.toMatchObject({ code: 64, stderr: 'usage: agent --fd N\n' });
  });

  it('tells the words of the compiler and leaves nothing', { timeout: 60_000 }, async () => {
    const source = join(dir, 'guest');
    await cp(sourceDir, source, { recursive: true });
    await writeFile(join(source, 'boot.c'), 'int boot_system(void) { return unheard_of; }\n');
    const build = buildAgent({ sourceDir: source, outFile: join(dir, 'agent') });
    await expect(build).rejects.toMatchObject({
      code: 'IMAGE_BUILD_FAILED',
      message: expect.stringMatching(/boot\.c:1.*unheard_of/s),
    });
    expect(await readdir(dir)).toEqual(['guest']);
  });

  it('tells how to get a compiler where there is none', async () => {
    vi.stubEnv('PATH', dir);
    const build = buildAgent({ sourceDir, outFile: join(dir, 'agent') });
    await expect(build).rejects.toThrow(/no C compiler \(musl-gcc or gcc\).*apt-get install/);
  });

  it('refuses a folder without sources', async () => {
    const build = buildAgent({ sourceDir: dir, outFile: join(dir, 'agent') });
    await expect(build).rejects.toMatchObject({ code: 'IMAGE_BUILD_FAILED' });
  });
});
