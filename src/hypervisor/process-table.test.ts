import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { identify, isRunning, listCommandLines, parseStat } from './process-table.ts';

const restOfLine = ['S', ...Array.from({ length: 18 }, (_, index) => String(index)), '4711', '0'].join(' ');

describe('/proc/PID/stat', () => {
  it.each(['qemu', 'a b', 'a) S 1', '(((', ') ('])('is read behind the name %j', (name) => {
    expect(parseStat(`42 (${name}) ${restOfLine}\n`)).toEqual({
      state: 'S',
      startTicks: 4711,
      cpuTicks: 10 + 11,
    });
  });

  it('is refused when it is cut off', () => {
    expect(parseStat('42 (qemu) S 1 2 3')).toBeUndefined();
    expect(parseStat('')).toBeUndefined();
  });
});

describe('a process', () => {
  it('is known by pid and start time while it runs, and not taken for its successor', async () => {
    const child = spawn('sleep', ['60']);
    const identity = identify(child.pid ?? 0);
    if (identity === undefined) throw new Error('a running process has no identity');
    expect(isRunning(identity)).toBe(true);
    expect(isRunning({ ...identity, startTicks: identity.startTicks - 1 })).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isRunning(identity)).toBe(false);
    expect(identify(identity.pid)).not.toEqual(identity);
  });

  it('stands in the list with its arguments', async () => {
    const child = spawn('sleep', ['61.25']);
    await once(child, 'spawn');
    const found = await listCommandLines();
    expect(found.find(({ identity }) => identity.pid === child.pid)?.argv.slice(0, 2)).toEqual([
      'sleep',
      '61.25',
    ]);
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
});
