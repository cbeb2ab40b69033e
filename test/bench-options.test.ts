import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const names = readdirSync(`${root}/bench`)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length));
const script: string = new URL('../scripts/bench-options.mjs', import.meta.url).href;
const { benches, readBenchOptions } = (await import(script)) as {
  benches: Record<string, { options: Record<string, unknown>; example: string }>;
  readBenchOptions: (name: string, words: readonly string[]) => { help: boolean; args: string[] };
};

const bench = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/bench.mjs', ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};

describe('a benchmark', () => {
  it.each(names)('%s prints its usage, and sets nothing up for it', (name) => {
    const { status, stdout, stderr } = bench(name, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const flag of Object.keys(benches[name]?.options ?? {})) expect(stdout).toContain(`--${flag}`);
    expect(stdout).toContain(`npm run bench:${name} -- `);
  });

  it('refuses what is no option of it, with the usage', () => {
    const { status, stdout, stderr } = bench('vm', '--jobs', '5');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain("'--jobs'");
    expect(stderr).toContain('npm run bench:vm [-- OPTIONS]');
  });

  it('that does not exist is refused with those that do', () => {
    expect(bench('speed')).toMatchObject({ status: 2, stderr: expect.stringContaining('bench:scale') });
  });

  it.each(names)('%s has an example that it takes, of options that it reads', (name) => {
    const { options = {}, example = '' } = benches[name] ?? {};
    expect(readBenchOptions(name, example.split(' '))).toEqual({ help: false, args: example.split(' ') });
    const sources = [`bench/${name}.ts`, ...(name === 'queue' ? ['bench/queue/options.ts'] : [])];
    const source = sources.map((file) => readFileSync(`${root}/${file}`, 'utf8')).join('');
    for (const flag of Object.keys(options)) expect(source).toContain(`'--${flag}'`);
  });

  it('names the option, its value and what is allowed', () => {
    const read = (...words: string[]) => readBenchOptions('queue', words);
    expect(() => read('--jobs', '0')).toThrow('--jobs is "0"; allowed: a whole number from 1');
    expect(() => read('--concurrency', '1,x')).toThrow(
      '--concurrency is "1,x"; allowed: whole numbers from 1',
    );
    expect(() => read('--jobs')).toThrow('--jobs');
    expect(() => read('blixard')).toThrow('blixard');
    expect(read('--jobs=7', '--json', 'out.json').args).toEqual(['--jobs', '7', '--json', 'out.json']);
    expect(read('-h').help).toBe(true);
  });
});
