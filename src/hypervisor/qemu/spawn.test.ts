import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { spawnBound } from './spawn.ts';

async function processGroup(pid: number | undefined): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2];
}

it('Ctrl-C on the terminal does not reach a VMM: it is in a process group of its own', async () => {
  const child = spawnBound('sleep', ['60'], { stdio: 'ignore' });
  try {
    await once(child, 'spawn');
    expect(await processGroup(child.pid)).toBe(String(child.pid));
    expect(await processGroup(process.pid)).not.toBe(String(child.pid));
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});
