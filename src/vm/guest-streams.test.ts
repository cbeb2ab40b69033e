/** The session with the real agent: how commands end, and that many at once do not get in each other's way. */
import { createHash } from 'node:crypto';
import { constants } from 'node:os';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { realClock, sleep } from '../platform/clock.ts';
import {
  type BuiltAgent,
  buildTestAgent,
  command,
  endWell,
  type Greeted,
  isAlive,
  run,
  sha256,
  shell,
  startedShell,
  startGreeted,
} from './guest-agent.suite.ts';
import type { GuestSession } from './guest-session.ts';

const nothing = new Uint8Array();
const discard = async (): Promise<void> => undefined;

let built: BuiltAgent;
let greeted: Greeted;
let session: GuestSession;

beforeAll(async () => {
  built = await buildTestAgent('release');
}, 60_000);
afterAll(() => built.remove());

beforeEach(async () => {
  greeted = await startGreeted(built.file);
  session = greeted.session;
});
afterEach(() => endWell(greeted));

describe('signals and ends', { timeout: 30_000 }, () => {
  it('reach the whole process group', async () => {
    const output: string[] = [];
    const exec = session.exec(shell('sleep 60 & echo $!; wait'), {
      stdin: nothing,
      output: async (_stream, data) => {
        output.push(data.toString());
        exec.signal(constants.signals.SIGTERM);
      },
    });
    expect(await exec.exited).toMatchObject({ code: -1, signal: constants.signals.SIGTERM });
    await expect.poll(() => isAlive(Number(output.join('')))).toBe(false);
    exec.signal(constants.signals.SIGKILL);
  });

  it('waits for output that is written soon after, and no more than two seconds for a daemon', async () => {
    const soon = await run(session, shell('(sleep 0.2; echo late) & echo early'));
    expect(soon.stdout.toString()).toBe('early\nlate\n');

    const startedMs = performance.now();
    const daemon = await run(session, shell('sleep 60 & echo $!'));
    expect(performance.now() - startedMs).toBeGreaterThan(1_900);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(daemon.exit).toMatchObject({ code: 0 });
    expect(daemon.exit.wallMs).toBeLessThan(1_900);
    await expect.poll(() => isAlive(Number(daemon.stdout))).toBe(false);
  });

  it('kills what a command leaves behind in silence', async () => {
    const ran = await run(session, shell('sleep 60 >/dev/null 2>&1 & echo $!'));
    await expect.poll(() => isAlive(Number(ran.stdout))).toBe(false);
  });

  it('power off ends the agent and with it every command', async () => {
    const sleeper = await startedShell(session, 'echo $$; exec sleep 60');
    session.powerOff();
    expect(await greeted.agent.ended).toBe(0);
    expect(await session.closed).toBeUndefined();
    await expect.poll(() => isAlive(sleeper)).toBe(false);
  });

  it('a lost guest ends what waits, after the output it had sent', async () => {
    const output: string[] = [];
    const exec = session.exec(shell('echo last words; sleep 0.2; kill -9 $PPID'), {
      stdin: nothing,
      output: async (_stream, data) => {
        output.push(data.toString());
      },
    });
    await expect(exec.exited).rejects.toMatchObject({ code: 'VM_CRASHED' });
    expect(output).toEqual(['last words\n']);
    await expect(session.ping(100)).rejects.toMatchObject({ code: 'VM_CRASHED' });
    await expect(session.hello(100)).rejects.toMatchObject({ code: 'VM_BOOT_FAILED' });
    expect(await greeted.agent.ended).toBe('SIGKILL');
    greeted = await startGreeted(built.file);
  });
});

describe('many at once', { timeout: 30_000 }, () => {
  it('a slow reader holds up neither another command nor a ping, and loses nothing', async () => {
    const bytes = 8 << 20;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let taken = 0;
    const slow = session.exec(shell(`head -c ${bytes} /dev/zero`), {
      stdin: nothing,
      output: async (_stream, data) => {
        await gate;
        taken += data.length;
      },
    });
    await sleep(realClock, 100);
    const fast = await run(session, shell('head -c 4000000 /dev/zero'));
    expect(fast.stdout).toHaveLength(4_000_000);
    expect((await session.ping(1_000)).roundTripMs).toBeLessThan(1_000);
    expect(taken).toBe(0);
    open();
    expect((await slow.exited).code).toBe(0);
    expect(taken).toBe(bytes);
  });

  it('a reader that is slower than the drain time loses nothing that the command wrote', async () => {
    let taken = 0;
    const slow = session.exec(shell('head -c 1100000 /dev/zero'), {
      stdin: nothing,
      output: async (_stream, data) => {
        if (taken === 0) await sleep(realClock, 2_300);
        taken += data.length;
      },
    });
    expect((await slow.exited).code).toBe(0);
    expect(taken).toBe(1_100_000);
  });

  it('a failing reader kills the command and gets its own error back', async () => {
    const output = async (): Promise<void> => {
      throw new Error('disk full');
    };
    const exec = session.exec(command(['yes']), { stdin: nothing, output });
    await expect(exec.exited).rejects.toThrow('disk full');
    expect((await run(session, command(['echo', 'next']))).stdout.toString()).toBe('next\n');
  });

  it('twenty commands do not mix', async () => {
    const runs = Array.from({ length: 20 }, (_, i) =>
      run(session, shell(`cat; echo "end ${i}" >&2; exit ${i}`), Buffer.from(`${i} `.repeat(10_000))),
    );
    for (const [i, ran] of (await Promise.all(runs)).entries()) {
      expect(ran.exit.code).toBe(i);
      expect(ran.stdout.toString()).toBe(`${i} `.repeat(10_000));
      expect(ran.stderr.toString()).toBe(`end ${i}\n`);
    }
  });

  it('more than the agent takes are refused, and their places are free again afterwards', async () => {
    const execs = Array.from({ length: 65 }, () =>
      session.exec(command(['sleep', '60']), { stdin: nothing, output: discard }),
    );
    await expect(execs[64]?.exited).rejects.toMatchObject({ code: 'GUEST_REFUSED' });
    for (const exec of execs.slice(0, 64)) exec.signal(constants.signals.SIGKILL);
    for (const exec of execs.slice(0, 64)) expect((await exec.exited).signal).toBe(9);
    expect((await run(session, command(['true']))).exit.code).toBe(0);
  });

  it('a flood of more than 50 MiB arrives complete and in order', async () => {
    const hundredThousands = 70;
    const ran = await run(session, command(['seq', `${hundredThousands}00000`]));
    const expected = createHash('sha256');
    for (let start = 0; start < hundredThousands; start++) {
      expected.update(Array.from({ length: 100_000 }, (_, i) => `${start * 100_000 + i + 1}\n`).join(''));
    }
    expect(ran.stdout.length).toBeGreaterThan(50 << 20);
    expect(sha256(ran.stdout)).toBe(expected.digest('hex'));
  });
});
