/** The session with the real agent, run as an ordinary process: what single commands do. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { release } from 'node:os';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { guestProtocolVersion } from '../contract/guest.ts';
import { limits } from '../domain/limits.ts';
import {
  agentToken,
  type BuiltAgent,
  buildTestAgent,
  command,
  endWell,
  type Greeted,
  helloTimeoutMs,
  isAlive,
  run,
  sha256,
  shell,
  startedShell,
  startGreeted,
} from './guest-agent.suite.ts';
import type { GuestSession } from './guest-session.ts';

const isRoot = process.getuid?.() === 0;

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

describe('hello and ping', () => {
  it('tells the facts of the guest and says the token back', async () => {
    const hello = await session.hello(helloTimeoutMs);
    expect(hello).toMatchObject({ version: guestProtocolVersion, token: agentToken, kernel: release() });
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
    const sleeper = await startedShell(session, 'echo $$; exec sleep 60');
    await session.hello(helloTimeoutMs);
    await expect.poll(() => isAlive(sleeper)).toBe(false);
  });
});

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

  it.runIf(isRoot)('may open its stdin, stdout and stderr by name, whoever it runs as', async () => {
    const script = 'cat /dev/stdin > /dev/stdout; echo bad >> /dev/stderr';
    const ran = await run(session, { ...shell(script), uid: 65_534 }, Buffer.from('good\n'));
    expect([ran.stdout.toString(), ran.stderr.toString()]).toEqual(['good\n', 'bad\n']);
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
