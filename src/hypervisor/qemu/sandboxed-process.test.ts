import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { realClock } from '../../platform/clock.ts';
import { childrenOf, identify, isAsleep } from '../process-table.ts';
import { infoFd, wordFd } from './sandbox.ts';
import { endInside, letIn } from './sandboxed-process.ts';

describe('a process in a sandbox', () => {
  it('ended as bubblewrap tells: by its code, or 128 and its signal', () => {
    expect(endInside([0, null])).toEqual([0, null]);
    expect(endInside([1, null])).toEqual([1, null]);
    expect(endInside([137, null])).toEqual([null, 'SIGKILL']);
    expect(endInside([159, null])).toEqual([null, 'SIGSYS']);
    expect(endInside([null, 'SIGKILL'])).toEqual([null, 'SIGKILL']);
  });

  /** Says what bubblewrap would on its descriptor, and stays. */
  const standIn = (script: string) => {
    const stdio = Array.from({ length: wordFd + 1 }, (_, fd) => (fd >= infoFd ? 'pipe' : 'ignore') as 'pipe');
    const child = spawn('bash', ['-c', script], { stdio });
    const identity = identify(child.pid ?? 0);
    if (identity === undefined) throw new Error('the stand-in did not start');
    return { child, identity };
  };

  /** Its first process, with what it runs before it waits for its child, which waits for the word. */
  const sandbox = (before: string) => {
    const inside = `( read -r word <&${wordFd} || exit 1; exec sleep 60 ) & ${before}; wait`;
    return standIn(
      `bash -c '${inside}' & echo "{ \\"child-pid\\": $! }" >&${infoFd}; exec ${infoFd}>&-; wait`,
    );
  };
  const nameOf = (pid: number) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();

  it('is the child of the first one in there, and begins once that one waits for it', async () => {
    const { child, identity } = sandbox('for n in {1..100000}; do :; done');
    const found = await letIn(child, identity, realClock);
    const [first = 0] = childrenOf(child.pid ?? 0);
    expect(isAsleep(first)).toBe(true);
    expect(childrenOf(first)).toEqual([found.pid]);
    await expect.poll(() => nameOf(found.pid), { timeout: 5_000 }).toBe('sleep');
    for (const pid of [found.pid, first]) process.kill(pid, 'SIGKILL');
  });

  it('never begins when whoever started it has died before it said so', async () => {
    const { child } = sandbox(':');
    const exit = once(child, 'exit');
    const [first = 0] = await vi.waitUntil(() => {
      const found = childrenOf(child.pid ?? 0);
      return childrenOf(found[0] ?? 0).length === 1 && found;
    });
    const stdio: readonly unknown[] = child.stdio;
    (stdio[wordFd] as Duplex).destroy();
    expect(await exit).toEqual([0, null]);
    expect(identify(first)).toBeUndefined();
  });

  it.each([
    'exit 1',
    `echo nonsense >&${infoFd}; exit 1`,
    `echo '{"child-pid": 999999999}' >&${infoFd}; exit 1`,
  ])('is bubblewrap itself where nothing came of it: %s', async (script) => {
    const { child, identity } = standIn(script);
    expect(await letIn(child, identity, realClock)).toBe(identity);
  });
});
