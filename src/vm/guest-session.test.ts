/** The session with the real agent, run as an ordinary process: what commands do and what their starter sees. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { constants, release } from 'node:os';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { realClock, sleep } from '../platform/clock.ts';
import {
  agentToken,
  type BuiltAgent,
  buildTestAgent,
  command,
  isAlive,
  openSession,
  type RunningAgent,
  run,
  startAgent,
} from './guest-agent.suite.ts';
import type { GuestSession } from './guest-session.ts';

const helloTimeoutMs = 5_000;
const isRoot = process.getuid?.() === 0;
const nothing = new Uint8Array();
const discard = async (): Promise<void> => undefined;

let built: BuiltAgent;
let agent: RunningAgent;
let session: GuestSession;

beforeAll(async () => {
  built = await buildTestAgent('release');
}, 60_000);
afterAll(() => built.remove());

beforeEach(async () => {
  agent = startAgent(built.file);
  session = openSession(agent);
  await session.hello(helloTimeoutMs);
});
afterEach(async () => {
  session.close();
  expect(await agent.ended).toBe(0);
  expect(agent.complaints()).toBe('');
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function shell(script: string): ReturnType<typeof command> {
  return command(['sh', '-c', script]);
}

describe('hello and ping', () => {
  it('tells the facts of the guest and says the token back', async () => {
    const hello = await session.hello(helloTimeoutMs);
    expect(hello).toMatchObject({ version: 1, token: agentToken, kernel: release() });
    expect(hello.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(Math.abs(hello.timeMs - Date.now())).toBeLessThan(5_000);
    expect(hello.uptimeMs).toBeGreaterThan(0);
    expect(hello.memoryKiB).toBeGreaterThan(1_024);
  });

  it('measures a round trip', async () => {
    const before = performance.now();
    const first = await session.ping(1_000);
    const second = await session.ping(1_000);
    expect(first.atMs).toBeGreaterThanOrEqual(before);
    expect(second.atMs).toBeGreaterThan(first.atMs);
    expect(second.tsc).toBeGreaterThan(process.arch === 'x64' ? first.tsc : -1n);
  });

  it('ends the commands of an earlier session', async () => {
    const sleeper = await startedShell('echo $$; exec sleep 60');
    await session.hello(helloTimeoutMs);
    await expect.poll(() => isAlive(sleeper)).toBe(false);
  });
});

/** Starts a script that prints a process id first; resolves with that. */
function startedShell(script: string): Promise<number> {
  return new Promise((resolve) => {
    session.exec(shell(script), { stdin: nothing, output: async (_stream, data) => resolve(Number(data)) });
  });
}

describe('a command', () => {
  it('brings its output and its exit code', async () => {
    const ran = await run(session, command(['echo', 'hello', 'wörld']));
    expect(ran.stdout.toString()).toBe('hello wörld\n');
    expect(ran.stderr).toHaveLength(0);
    expect(ran.exit).toMatchObject({ code: 0, signal: 0, oom: false });
    expect(ran.exit.maxRssKiB).toBeGreaterThan(0);
  });

  it.each([0, 1, 3, 126, 255])('exits with %i', async (code) => {
    expect((await run(session, shell(`exit ${code}`))).exit.code).toBe(code);
  });

  it('tells the signal that ended it', async () => {
    expect((await run(session, shell('kill -SEGV $$'))).exit).toMatchObject({ code: -1, signal: 11 });
  });

  it('tells its times', async () => {
    const { exit } = await run(
      session,
      shell('sleep 0.2; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'),
    );
    expect(exit.wallMs).toBeGreaterThanOrEqual(200);
    expect(exit.cpuMs).toBeGreaterThan(0);
    expect(exit.cpuMs).toBeLessThan(exit.wallMs);
  });

  it('keeps stdout and stderr apart, whatever bytes they have', async () => {
    const bytes = Buffer.concat([
      Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
      randomBytes(1 << 20),
    ]);
    const ran = await run(session, shell('tee /dev/stderr'), bytes.subarray(0, limits.stdinBytes));
    const sent = sha256(bytes.subarray(0, limits.stdinBytes));
    expect([sha256(ran.stdout), sha256(ran.stderr)]).toEqual([sent, sent]);
  });

  it('has the env, the cwd and the descriptors it was given, and nothing else', async () => {
    const spec = command(['/usr/bin/env'], { env: ['A=1', 'B=two words', 'C='] });
    expect((await run(session, spec)).stdout.toString()).toBe('A=1\nB=two words\nC=\n');
    const where = await run(session, command(['pwd'], { cwd: '/usr/lib' }));
    expect(where.stdout.toString()).toBe('/usr/lib\n');
    // Compared with a child of this process, which may itself have been given descriptors to hand on.
    const open = await run(session, command(['ls', '/proc/self/fd']));
    expect(open.stdout.toString()).toBe(execFileSync('ls', ['/proc/self/fd']).toString());
  });

  it('is what the kernel kills first when memory runs out', async () => {
    const ran = await run(session, command(['cat', '/proc/self/oom_score_adj']));
    expect(ran.stdout.toString()).toBe('1000\n');
  });

  it('finds its program by the PATH in its own env', async () => {
    const { exit } = await run(session, command(['echo'], { env: ['PATH=/nowhere'] }));
    expect(exit.code).toBe(127);
  });

  it.runIf(isRoot)('runs as the user it was given, also in a folder only root may enter', async () => {
    const ran = await run(session, command(['id'], { uid: 65_534, cwd: '/root' }));
    expect(ran.stdout.toString()).toMatch(/^uid=65534\S* gid=65534\S* groups=65534\S*\n$/);
  });

  it.skipIf(isRoot)('SKIPPED as this is not root: runs as the user it was given', () => undefined);
});

describe('a command that cannot run', () => {
  it.each([
    [
      { argv: ['no-such-program'] },
      127,
      "blixard: cannot run 'no-such-program': No such file or directory\n",
    ],
    [{ argv: [''] }, 127, "blixard: cannot run '': No such file or directory\n"],
    [{ argv: ['/etc/passwd'] }, 126, "blixard: cannot run '/etc/passwd': Permission denied\n"],
    [
      { argv: ['true'], cwd: '/nowhere' },
      126,
      "blixard: cannot enter '/nowhere': No such file or directory\n",
    ],
  ])('%j exits with %i and one clear line', async (spec, code, line) => {
    const ran = await run(session, command(spec.argv, spec));
    expect(ran.exit).toMatchObject({ code, signal: 0 });
    expect(ran.stderr.toString()).toBe(line);
    expect(ran.stdout).toHaveLength(0);
  });

  it('is refused when it is too long for any guest', async () => {
    const spec = command(['echo', ...Array.from({ length: 5 }, () => 'x'.repeat(limits.argBytes))]);
    await expect(run(session, spec)).rejects.toMatchObject({ code: 'GUEST_REFUSED' });
    await expect(run(session, command(['a\0b']))).rejects.toMatchObject({ code: 'GUEST_REFUSED' });
    await expect(run(session, command([]))).rejects.toMatchObject({ code: 'GUEST_REFUSED' });
    expect((await run(session, command(['true']))).exit.code).toBe(0);
  });

  it('may have the longest argument and the most arguments that a job may have', async () => {
    const long = await run(session, command(['printf', '%s', 'x'.repeat(limits.argBytes)]));
    expect(long.stdout).toHaveLength(limits.argBytes);
    const many = await run(
      session,
      command(['printf', '%s ', ...Array.from({ length: limits.argvEntries - 2 }, String)]),
    );
    expect(many.stdout.toString().split(' ')).toHaveLength(limits.argvEntries - 1);
  });
});

describe('stdin', () => {
  it('arrives whole and then ends', async () => {
    const bytes = randomBytes(limits.stdinBytes);
    const ran = await run(session, command(['cat']), bytes);
    expect(sha256(ran.stdout)).toBe(sha256(bytes));
  });

  it('that nobody reads holds up nothing', async () => {
    const bytes = randomBytes(limits.stdinBytes);
    const unread = run(session, command(['sleep', '0.3']), bytes);
    expect((await run(session, command(['cat']), bytes)).stdout).toHaveLength(bytes.length);
    expect((await unread).exit.code).toBe(0);
    const closed = await run(session, shell('exec <&-; sleep 0.1; echo done'), bytes);
    expect(closed.stdout.toString()).toBe('done\n');
  });
});

describe('signals and ends', () => {
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
    const sleeper = await startedShell('echo $$; exec sleep 60');
    session.powerOff();
    expect(await agent.ended).toBe(0);
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
    expect(await agent.ended).toBe('SIGKILL');
    agent = startAgent(built.file);
    session = openSession(agent);
  });
});

describe('many at once', () => {
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

  it('a flood of 50 MiB arrives complete and in order', async () => {
    const lines = Math.ceil((50 << 20) / 9);
    const ran = await run(session, command(['seq', '-f', '%08.0f', '1', String(lines)]));
    const expected = createHash('sha256');
    for (let i = 1; i <= lines; i++) expected.update(`${String(i).padStart(8, '0')}\n`);
    expect(ran.stdout).toHaveLength(9 * lines);
    expect(sha256(ran.stdout)).toBe(expected.digest('hex'));
  });
});
