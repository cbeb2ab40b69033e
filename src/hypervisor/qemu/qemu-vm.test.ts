import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { type Clock, realClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { identify, isRunning } from '../process-table.ts';
import { qemuArguments } from './arguments.ts';
import { startQemuVm } from './qemu-vm.ts';
import { infoFd } from './sandbox.ts';
import { script, temporaryFolder } from './scripts.suite.ts';

async function start(program: string, folder?: string, { isSandboxed = false, clock = realClock } = {}) {
  const runDir = folder ?? (await temporaryFolder());
  const spec = {
    ...{ id: randomUUID(), memoryMiB: 128, vcpus: 1, runDir, rootFsType: 'squashfs' },
    ...{ kernelPath: '/kernel', initrdPath: '/initrd', rootPath: '/root.squashfs' },
  };
  const lock = { words: [], isSandboxed, user: undefined, release: async () => undefined };
  const args = qemuArguments(spec, 'tcg');
  return startQemuVm({ spec, program, args, lock, clock, log: silentLog });
}

/** A VMM in a sandbox whose child cannot be looked for; resolves with the pids of both. */
async function startUnseen(): Promise<{ failure: unknown; pids: number[] }> {
  const runDir = await temporaryFolder();
  const pids = join(runDir, 'pids');
  const inside = await script(
    `sleep 60 & echo $$ $! >${pids}; echo "{\\"child-pid\\": $!}" >&${infoFd}; wait`,
  );
  const blind: Clock = {
    ...realClock,
    monotonicMs: () => {
      throw new Error('EMFILE: too many open files');
    },
  };
  const failure = await start(inside, runDir, { isSandboxed: true, clock: blind }).catch((error) => error);
  return { failure, pids: (await readFile(pids, 'utf8')).trim().split(' ').map(Number) };
}

/** What `act` gives in a process that cannot open another descriptor. */
async function withoutDescriptors<T>(act: () => Promise<T>): Promise<T> {
  const limit = (...args: string[]) => execFileSync('prlimit', ['--pid', String(process.pid), ...args]);
  const before = String(limit('--nofile', '--output=SOFT', '--noheadings')).trim();
  const opened: number[] = [];
  limit('--nofile=512:');
  try {
    for (let more = true; more; ) more = tryOpen(opened);
    return await act();
  } finally {
    for (const fd of opened) closeSync(fd);
    limit(`--nofile=${before}:`);
  }
}

function tryOpen(opened: number[]): boolean {
  try {
    opened.push(openSync('/dev/null', 'r'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EMFILE') return false;
    throw error;
  }
}

describe('a QEMU process', () => {
  it('has the agent channel as descriptor 3, both ways', async () => {
    const vm = await start(await script('exec cat <&3 >&3'));
    vm.channel.write('over and back');
    const [chunk] = await new Promise<Buffer[]>((resolve) =>
      vm.channel.once('data', (...got) => resolve(got)),
    );
    expect(String(chunk)).toBe('over and back');
    await vm.kill();
    expect(isRunning(vm.identity)).toBe(false);
    expect(vm.channel.destroyed).toBe(true);
  });

  it('keeps what it wrote last, however much it writes', async () => {
    const flood = 'head -c 300000 /dev/zero | tr "\\0"';
    const vm = await start(
      await script(`${flood} c; echo end-of-console; (${flood} e; echo bad news) >&2; exit 7`),
    );
    const { code, signal, stderr } = await vm.exited;
    expect([code, signal]).toEqual([7, null]);
    expect(stderr).toMatch(/^e+bad news$/);
    expect(stderr.length).toBeGreaterThan(limits.vmmStderrBytes / 2);
    expect(stderr.length).toBeLessThanOrEqual(limits.vmmStderrBytes);
    expect(vm.console()).toMatch(/^c+end-of-console\n$/);
    expect(vm.console().length).toBe(limits.consoleBytes);
  });

  it('is told as ended even when nobody reads what is left in the channel', async () => {
    const vm = await start(await script('echo unread >&3; exit 0'));
    expect(await vm.exited).toEqual({ code: 0, signal: null, stderr: '' });
    await vm.kill();
  });

  it('gives its last words to a reader that was not ready for them', async () => {
    const vm = await start(await script('echo last words >&3'));
    let words = '';
    vm.channel.on('data', (chunk: Buffer) => {
      words += String(chunk);
    });
    vm.channel.pause();
    const ended = once(vm.channel, 'end');
    await vm.exited;
    vm.channel.resume();
    await ended;
    expect(words).toBe('last words\n');
  });

  it('is told with words when the program cannot be run', async () => {
    const vm = await start('/no/such/qemu');
    expect(await vm.exited).toMatchObject({ code: 127, stderr: expect.stringContaining('not found') });
  });

  it('is refused when not even that can be started', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = '/nowhere';
    try {
      await expect(start('qemu')).rejects.toMatchObject({ code: 'VM_BOOT_FAILED' });
    } finally {
      process.env['PATH'] = path;
    }
  });

  it('is refused, and no more than that, when this process has no descriptor left', async () => {
    const runDir = await temporaryFolder();
    const refused = await withoutDescriptors(async () => {
      const failure = await start('sleep', runDir).catch((error) => error);
      // The event that ends a process which does not listen for it comes a turn later.
      await new Promise((resolve) => setImmediate(resolve));
      return failure;
    });
    expect(refused).toMatchObject({ code: 'VM_BOOT_FAILED', message: expect.stringContaining('EMFILE') });
  });

  it('is ended, and gone, when the one inside its sandbox cannot be looked for', async () => {
    const { failure, pids } = await startUnseen();
    const [vmm = 0, inside = 0] = pids;
    try {
      expect(identify(vmm)).toBeUndefined();
      expect(failure).toMatchObject({ code: 'VM_BOOT_FAILED', message: expect.stringContaining('EMFILE') });
    } finally {
      for (const pid of [vmm, inside]) if (identify(pid) !== undefined) process.kill(pid, 'SIGKILL');
    }
  });

  it('is ended with its sandbox when this process has no descriptor left to look for it', async () => {
    const runDir = await temporaryFolder();
    // It would take the other with it, whose output therefore is nobody's here.
    const bubblewrap = await script(`
      sh -c 'sleep 60 & wait' >/dev/null 2>&1 & echo $! >${runDir}/first
      echo "{\\"child-pid\\": $!}" >&${infoFd}; wait`);
    const vm = await start(bubblewrap, runDir, { isSandboxed: true });
    try {
      expect(await withoutDescriptors(() => vm.kill())).toMatchObject({ signal: 'SIGKILL' });
    } finally {
      const first = Number(await readFile(join(runDir, 'first'), 'utf8'));
      for (const pid of [first, vm.identity.pid]) process.kill(pid, 'SIGKILL');
    }
  });
});
