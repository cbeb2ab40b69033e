import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { realClock } from '../../platform/clock.ts';
import { childrenOf, identify, isRunning } from '../process-table.ts';
import { infoFd } from './sandbox.ts';
import { endInside, identityInside } from './sandboxed-process.ts';

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
    const stdio = Array.from(
      { length: infoFd + 1 },
      (_, fd) => (fd === infoFd ? 'pipe' : 'ignore') as 'pipe',
    );
    const child = spawn('bash', ['-c', script], { stdio });
    const identity = identify(child.pid ?? 0);
    if (identity === undefined) throw new Error('the stand-in did not start');
    return { child, identity };
  };

  it('is the child of the first one in there, once that has one', async () => {
    const inside = 'sleep 0.2; sleep 60 & wait';
    const { child, identity } = standIn(
      `bash -c '${inside}' & echo "{ \\"child-pid\\": $! }" >&${infoFd}; exec ${infoFd}>&-; wait`,
    );
    const found = await identityInside(child, identity, realClock);
    const [first = 0] = childrenOf(child.pid ?? 0);
    expect(isRunning(found)).toBe(true);
    expect(childrenOf(first)).toEqual([found.pid]);
    for (const pid of [found.pid, first]) process.kill(pid, 'SIGKILL');
  });

  it.each([
    'exit 1',
    `echo nonsense >&${infoFd}; exit 1`,
    `echo '{"child-pid": 999999999}' >&${infoFd}; exit 1`,
  ])('is bubblewrap itself where nothing came of it: %s', async (script) => {
    const { child, identity } = standIn(script);
    expect(await identityInside(child, identity, realClock)).toBe(identity);
  });
});
