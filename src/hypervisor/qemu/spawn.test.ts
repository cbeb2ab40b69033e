import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { identify, isRunning } from '../process-table.ts';
import { spawnBound } from './spawn.ts';

const program = `
  const { spawnBound } = await import(process.argv[1]);
  const child = spawnBound('sleep', ['60'], { stdio: ['ignore', 'pipe', 'pipe'] });
  process.stdout.write(String(child.pid));
`;

describe('a bound process', () => {
  it('dies when its parent is killed with SIGKILL', async () => {
    const module = new URL('spawn.ts', import.meta.url).href;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program, module];
    const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [pid] = await once(parent.stdout, 'data');
    const identity = identify(Number(pid));
    if (identity === undefined) throw new Error('the bound process did not start');
    onTestFinished(() => void (isRunning(identity) && process.kill(identity.pid, 'SIGKILL')));
    expect(isRunning(identity)).toBe(true);
    await expect.poll(async () => readFile(`/proc/${pid}/comm`, 'utf8')).toBe('sleep\n');
    parent.kill('SIGKILL');
    await expect.poll(() => isRunning(identity), { timeout: 5_000 }).toBe(false);
  });

  it('has the pid of the program itself and can gain no privilege', async () => {
    const child = spawnBound('sleep', ['60'], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    await expect.poll(() => readFile(`/proc/${child.pid}/comm`, 'utf8')).toBe('sleep\n');
    expect(await readFile(`/proc/${child.pid}/status`, 'utf8')).toMatch(/^NoNewPrivs:\s*1$/m);
  });
});
