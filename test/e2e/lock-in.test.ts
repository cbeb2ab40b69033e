import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChannelClient } from '../../src/hypervisor/channel-client.suite.ts';
import type { LockIn, ProcessIdentity, RunningVm, VmSpec } from '../../src/hypervisor/hypervisor.ts';
import { childrenOf, isRunning } from '../../src/hypervisor/process-table.ts';
import { QemuHypervisor } from '../../src/hypervisor/qemu/qemu.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { baseImage, makeSpecs } from './real-vms.ts';

const hypervisor = new QemuHypervisor({ clock: realClock, log: silentLog, accel: 'auto' });
const { lockIn } = await hypervisor.capabilities();
const isRoot = process.getuid?.() === 0;
const namespaces = ['ipc', 'mnt', 'net', 'pid', 'uts', 'cgroup'];

let specs: { runDir: string; next(): VmSpec };
beforeAll(async () => {
  specs = await makeSpecs(await baseImage());
});
afterAll(() => rm(specs.runDir, { recursive: true }));

/** What the kernel says of a process. */
async function statusOf(pid: number): Promise<Record<string, string>> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  return Object.fromEntries(text.split('\n').map((line) => line.split(/:\s+/, 2) as [string, string]));
}

async function expectLockedIn(pid: number): Promise<void> {
  const status = await statusOf(pid);
  expect(status).toMatchObject({ Name: 'qemu-system-x86', NoNewPrivs: '1', Seccomp: '2' });
  for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb']) expect(status[set]).toBe('0'.repeat(16));
  for (const name of namespaces) {
    const mine = await readlink(`/proc/self/ns/${name}`);
    expect(await readlink(`/proc/${pid}/ns/${name}`), name).not.toBe(mine);
  }
  const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
  expect(limits).toMatch(/^Max file size\s+0 /m);
  expect(limits).toMatch(/^Max core file size\s+0 /m);
  expect(limits).toMatch(/^Max open files\s+256 /m);
}

function userNamespaceOf(pid: number): Promise<string> {
  return readlink(`/proc/${pid}/ns/user`);
}

/** What somebody who has taken QEMU over would find, as `mount point options` of its file systems on a disk. */
async function seenBy(pid: number): Promise<string[]> {
  const mounts = (await readFile(`/proc/${pid}/mountinfo`, 'utf8')).trim().split('\n');
  return mounts.map((line) => {
    const [, , , , point = '', options = ''] = line.split(' ');
    return `${point} ${options.split(',')[0]}`;
  });
}

describe.skipIf(lockIn.sandbox === 'none')('QEMU in its sandbox', () => {
  let vm: RunningVm;
  let spec: VmSpec;
  beforeAll(async () => {
    spec = specs.next();
    vm = await hypervisor.start(spec);
    await new ChannelClient(vm.channel).hello();
  });
  afterAll(() => vm.kill());

  it('has no right, nothing in common with the host, and bounds', () => expectLockedIn(vm.identity.pid));

  it('is in a user namespace of its own, or it is told why in none', async () => {
    const isIn = (await userNamespaceOf(vm.identity.pid)) !== (await readlink('/proc/self/ns/user'));
    expect(isIn).toBe(lockIn.sandboxReason.includes('in a user namespace of its own'));
    if (!isIn) expect(lockIn.sandboxReason).toContain('lets that user make no user namespace');
  });

  it.runIf(isRoot)('is a user that nobody else is', async () => {
    const { Uid, Gid, Groups } = await statusOf(vm.identity.pid);
    const [uid = 0] = (Uid ?? '').split(/\s+/).map(Number);
    expect(uid).toBeGreaterThan(60_000);
    expect(Gid).toMatch(/^[1-9]/);
    expect(Groups?.trim()).not.toMatch(/(^| )0( |$)/);
  });

  it('sees /usr and its own files, and can write none', async () => {
    const seen = await seenBy(vm.identity.pid);
    const files = [spec.kernelPath, spec.initrdPath, spec.rootPath, spec.runDir, '/usr', '/etc/ld.so.cache'];
    expect(seen).toEqual(expect.arrayContaining(['/ ro', ...files.map((path) => `${path} ro`)]));
    const others = seen.filter((line) => !line.startsWith('/dev') && !line.startsWith('/usr/'));
    expect(others.sort()).toEqual(['/ ro', ...files.map((path) => `${path} ro`)].sort());
    expect(await readdir(`/proc/${vm.identity.pid}/root`)).toEqual(
      expect.not.arrayContaining(['proc', 'sys', 'home']),
    );
  });

  it('holds nothing open but its pipes, its channels and the files it was given', async () => {
    const fds = await readdir(`/proc/${vm.identity.pid}/fd`);
    const open = await Promise.all(fds.map((fd) => readlink(`/proc/${vm.identity.pid}/fd/${fd}`)));
    const files = open.filter((target) => target.startsWith('/') && !target.startsWith('/dev/'));
    expect(files).toEqual([spec.rootPath]);
  });

  it('can be measured from outside', async () => {
    const memory = await readFile(`/proc/${vm.identity.pid}/smaps_rollup`, 'utf8');
    expect(Number(/^Pss:\s+(\d+)/m.exec(memory)?.[1])).toBeGreaterThan(10_000);
  });

  it('is in a cgroup of its own, where the host has any, that goes with it', async () => {
    const membership = await readFile(`/proc/${vm.identity.pid}/cgroup`, 'utf8');
    if (lockIn.cgroups !== 'none') expect(membership).toMatch(new RegExp(`/blixard-vm-[\\d.]+-${spec.id}\n`));
    else expect(membership).not.toContain('blixard');
  });

  it('leaves no process of the sandbox behind, whichever of them is killed', async () => {
    const before = childrenOf(process.pid);
    for (const victim of ['QEMU', 'the sandbox'] as const) {
      const other = await hypervisor.start(specs.next());
      const sandbox = childrenOf(process.pid).find((pid) => !before.includes(pid)) ?? 0;
      const [inside = 0] = childrenOf(sandbox);
      expect(childrenOf(inside)).toEqual([other.identity.pid]);
      process.kill(victim === 'QEMU' ? other.identity.pid : sandbox, 'SIGKILL');
      expect(await other.exited).toMatchObject({ code: null, signal: 'SIGKILL' });
      await expect.poll(() => isRunning(other.identity), { timeout: 5_000 }).toBe(false);
    }
  });
});

it('that was switched off is off, and QEMU runs as before', async () => {
  const plain = new QemuHypervisor({ clock: realClock, log: silentLog, accel: 'auto', sandbox: 'off' });
  expect((await plain.capabilities()).lockIn).toMatchObject({
    sandbox: 'none',
    sandboxReason: expect.stringContaining('sandbox = off'),
  });
  const vm = await plain.start(specs.next());
  const name = async () => (await statusOf(vm.identity.pid))['Name'];
  await expect.poll(name, { timeout: 5_000 }).toBe('qemu-system-x86');
  expect(await readlink(`/proc/${vm.identity.pid}/ns/net`)).toBe(await readlink('/proc/self/ns/net'));
  await vm.kill();
});

it('that is missing is told with what to install, and is insisted on where it is required', async () => {
  const path = process.env['PATH'];
  const dir = await mkdtemp(join(tmpdir(), 'blixard-no-bwrap-'));
  const programs = ['setpriv', 'prlimit', 'sh', 'qemu-system-x86_64'];
  for (const program of programs) await symlink(`/usr/bin/${program}`, join(dir, program));
  process.env['PATH'] = dir;
  try {
    const make = (sandbox: 'auto' | 'required') =>
      new QemuHypervisor({ clock: realClock, log: silentLog, accel: 'tcg', sandbox }).capabilities();
    expect((await make('auto')).lockIn).toMatchObject({
      sandbox: 'none',
      sandboxReason: expect.stringMatching(/bwrap is missing.*apt-get install .*bubblewrap/),
    });
    await expect(make('required')).rejects.toMatchObject({
      code: 'VM_MANAGER_UNAVAILABLE',
      message: expect.stringMatching(/sandbox = required, but bwrap is missing/),
    });
  } finally {
    process.env['PATH'] = path;
    await rm(dir, { recursive: true });
  }
});

describe.runIf(isRoot)('an ordinary user', () => {
  const ids = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'blixard-user-'));
    await chmod(home, 0o755);
    const root = fileURLToPath(new URL('../..', import.meta.url));
    for (const name of ['dist', 'package.json'])
      await cp(join(root, name), join(home, name), { recursive: true });
  });
  afterAll(() => rm(home, { recursive: true }));

  /** The order as that user can carry it out. */
  const specForUser = async (): Promise<VmSpec> => {
    const spec = specs.next();
    const paths: Record<string, string> = {};
    for (const name of ['kernelPath', 'initrdPath', 'rootPath'] as const) {
      paths[name] = join(home, basename(spec[name]));
      await copyFile(spec[name], paths[name]);
    }
    const runDir = join(home, 'run');
    await mkdir(runDir);
    await chown(runDir, 65_534, 65_534);
    return { ...spec, ...paths, runDir };
  };

  it('has its VMMs locked in by user namespaces, or is told that there are none', async () => {
    const program = `
      const { QemuHypervisor } = await import('${home}/dist/hypervisor/qemu/qemu.js');
      const { realClock: clock } = await import('${home}/dist/platform/clock.js');
      const log = new Proxy({}, { get: () => () => undefined });
      const hypervisor = new QemuHypervisor({ clock, log, accel: 'auto' });
      const { lockIn } = await hypervisor.capabilities();
      const { identity, exited } = await hypervisor.start(JSON.parse(process.argv[1]));
      console.log(JSON.stringify({ lockIn, identity }));
      await exited;`;
    const args = [...ids, process.execPath, '--input-type=module', '-e', program];
    const worker = spawn('setpriv', [...args, JSON.stringify(await specForUser())], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(worker.stdout, 'data');
    const told = JSON.parse(String(line)) as { lockIn: LockIn; identity: ProcessIdentity };
    expect(told.lockIn.sandbox).toBe((await hasUserNamespaces()) ? 'bubblewrap' : 'none');
    if (told.lockIn.sandbox === 'none') expect(told.lockIn.sandboxReason).toMatch(/bwrap does not work/);
    else {
      const name = async () => (await statusOf(told.identity.pid))['Seccomp'];
      await expect.poll(name, { timeout: 5_000 }).toBe('2');
      await expectLockedIn(told.identity.pid);
      expect(await userNamespaceOf(told.identity.pid)).not.toBe(await readlink('/proc/self/ns/user'));
    }
    worker.kill('SIGKILL');
    await expect.poll(() => isRunning(told.identity), { timeout: 5_000 }).toBe(false);
  });

  async function hasUserNamespaces(): Promise<boolean> {
    const [code] = await once(spawn('setpriv', [...ids, 'unshare', '--user', '--net', 'true']), 'exit');
    return code === 0;
  }
});
