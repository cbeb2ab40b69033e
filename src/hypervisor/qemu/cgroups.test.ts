import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { realClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { identify } from '../process-table.ts';
import { type CgroupOwner, cgroupName, isDead, parseCgroupName, thisOwner } from './cgroup-names.ts';
import { Cgroups, findCgroups } from './cgroups.ts';
import { temporaryFolder } from './scripts.suite.ts';

const deps = { clock: realClock, log: silentLog };
const bounds = { memoryBytes: 64 * 1_024 ** 2, processes: 5 };

const mine = (vmId: string) => cgroupName('vm', vmId, thisOwner());

const isThere = (group: string) =>
  access(group).then(
    () => true,
    () => false,
  );

/** A process that lives until it is told to end: another worker. */
async function anotherProcess() {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const { pid = 0 } = child;
  const owner: CgroupOwner = { namespace: 0, startTicks: 0, ...thisOwner(), ...identify(pid), pid };
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { pid, owner, end };
}

/** A tree of version 2 in plain files: `dir` with these controllers, a worker's own cgroup in it. */
async function treeOfV2(offered: string, passedOn: string) {
  const root = await temporaryFolder();
  const dir = join(root, 'service');
  await mkdir(join(dir, 'worker'), { recursive: true });
  await writeFile(join(dir, 'cgroup.controllers'), offered);
  await writeFile(join(dir, 'cgroup.subtree_control'), passedOn);
  const [mountinfoPath, cgroupPath] = [join(root, 'mountinfo'), join(root, 'cgroup')];
  await writeFile(mountinfoPath, `40 30 0:26 / ${root} rw - cgroup2 cgroup rw\n`);
  await writeFile(cgroupPath, '0::/service/worker\n');
  return { dir, found: await findCgroups({ mountinfoPath, cgroupPath }) };
}

describe('cgroups of version 2', () => {
  it('are made beside the worker, whose own cannot hold others', async () => {
    const { dir, found } = await treeOfV2('cpuset cpu io memory pids\n', 'memory pids\n');
    expect(found).toEqual({ version: 'v2', places: [{ dir, controllers: ['memory', 'pids'] }] });
    if ('missing' in found) throw new Error(found.missing);
    expect(await new Cgroups({ ...deps, places: found }).make('one', bounds)).toEqual([
      join(dir, mine('one'), 'cgroup.procs'),
    ]);
    const group = join(dir, mine('one'));
    expect(await readFile(join(group, 'memory.max'), 'utf8')).toBe('67108864');
    expect(await readFile(join(group, 'pids.max'), 'utf8')).toBe('5');
  });

  it('have their controllers passed on where that has not been done', async () => {
    const { dir, found } = await treeOfV2('memory pids\n', '\n');
    expect(found).toMatchObject({ version: 'v2' });
    expect(await readFile(join(dir, 'cgroup.subtree_control'), 'utf8')).toBe('+memory +pids');
  });

  it('are missed with a reason where memory is not controlled', async () => {
    const { found } = await treeOfV2('hugetlb\n', '\n');
    expect(found).toEqual({ missing: expect.stringMatching(/service has no memory controller/) });
  });
});

describe('names of cgroups', () => {
  it('tell who made them and what for', async () => {
    const { owner, end } = await anotherProcess();
    expect(parseCgroupName(cgroupName('vm', 'one', owner))).toEqual({ use: 'vm', for: 'one', owner });
    expect(parseCgroupName(cgroupName('trial', 'x', thisOwner()))).toMatchObject({ owner: thisOwner() });
    expect(parseCgroupName('blixard-vm-one')).toEqual({ use: 'vm', for: 'one', owner: undefined });
    for (const name of ['', 'user.slice', 'blixard-vm-', 'blixard-else-one', 'my-blixard-vm-one']) {
      expect(parseCgroupName(name)).toBeUndefined();
    }
    expect(isDead(owner)).toBe(false);
    expect(isDead({ ...owner, startTicks: owner.startTicks - 1 })).toBe(true);
    await end();
    expect(isDead(owner)).toBe(true);
    // A process of another container cannot be seen from here, whatever its pid.
    expect(isDead({ ...owner, namespace: owner.namespace + 1 })).toBe(false);
    expect(isDead(undefined)).toBe(false);
  });
});

describe('a sweep of cgroups', () => {
  it('removes those of its VMs and of dead workers, and none of any other', async () => {
    const { dir, found } = await treeOfV2('memory pids\n', 'memory pids\n');
    if ('missing' in found) throw new Error(found.missing);
    const [living, dead] = await Promise.all([anotherProcess(), anotherProcess()]);
    await dead.end();
    const foreign = { ...dead.owner, namespace: dead.owner.namespace + 1 };
    const gone = [
      ...[cgroupName('vm', 'one', dead.owner), cgroupName('trial', 'x', dead.owner)],
      ...[cgroupName('vm', 'mine', foreign), 'blixard-vm-old', mine('mine')],
    ];
    const kept = [
      ...[cgroupName('vm', 'one', living.owner), cgroupName('trial', 'x', living.owner)],
      ...[cgroupName('vm', 'one', foreign), 'blixard-vm-other', mine('other'), 'other', 'worker'],
    ];
    await Promise.all([...gone, ...kept.slice(0, -1)].map((name) => mkdir(join(dir, name))));
    const full = join(dir, cgroupName('vm', 'full', dead.owner));
    await mkdir(join(full, 'inside'), { recursive: true });
    await new Cgroups({ ...deps, places: found }).sweep(['mine', 'old']);
    const isThereIn = (names: readonly string[]) =>
      Promise.all(names.map((name) => isThere(join(dir, name))));
    expect(await isThereIn(gone)).not.toContain(true);
    expect(await isThereIn(kept)).not.toContain(false);
    expect(await isThere(full)).toBe(true);
    await living.end();
  });

  it('does without where cgroups were', async () => {
    const places = { version: 'v2' as const, places: [{ dir: '/nowhere', controllers: [] }] };
    await new Cgroups({ ...deps, places }).sweep(['one']);
  });
});

/** Whether this host lets this process make cgroups. */
const here = await findCgroups();

describe.skipIf('missing' in here)('cgroups of this host', () => {
  const places = 'missing' in here ? { version: 'v2' as const, places: [] } : here;
  const cgroups = new Cgroups({ ...deps, places });
  const vmId = `test-${process.pid}`;
  it('bound what has entered them, and go with it', async () => {
    const files = await cgroups.make(vmId, bounds);
    const groups = files.map(dirname);
    const enter = files.map((file) => `echo $$ >${file}`).join(' && ');
    // More processes than it may have.
    const many = 'for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait';
    const child = spawn('sh', ['-c', `${enter} && ${many}`], { stdio: ['ignore', 'ignore', 'pipe'] });
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      words += text;
    });
    await expect.poll(() => words, { timeout: 10_000 }).toMatch(/fork/i);
    const members = (await readFile(files[0] ?? '', 'utf8')).trim().split('\n');
    expect(members.length).toBeGreaterThan(1);
    expect(members.length).toBeLessThanOrEqual(bounds.processes);
    const removed = cgroups.remove(vmId);
    execFileSync('kill', ['-9', ...members]);
    await removed;
    expect(await Promise.all(groups.map(isThere))).not.toContain(true);
    await cgroups.remove(vmId);
  });

  it('that cannot go yet are tried again with the next', async () => {
    const [file = ''] = await cgroups.make(vmId, bounds);
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    await once(child, 'spawn');
    await writeFile(file, `${child.pid}`);
    await cgroups.remove(vmId);
    expect(await isThere(dirname(file))).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await cgroups.remove('another');
    expect(await isThere(dirname(file))).toBe(false);
  });

  it('that could not go are removed by another worker when theirs has died, and no sooner', async () => {
    const [living, dying] = await Promise.all([anotherProcess(), anotherProcess()]);
    const others = [living, dying].map(({ owner }) => new Cgroups({ ...deps, places, owner }));
    const made = others.map((one) => one.make(vmId, bounds));
    const [kept = [], left = []] = (await Promise.all(made)).map((files) => files.map(dirname));
    const guest = await anotherProcess();
    await Promise.all(left.map((group) => writeFile(join(group, 'cgroup.procs'), `${guest.pid}`)));
    await others[1]?.remove(vmId);
    const areThere = async () => await Promise.all([...kept, ...left].map(isThere));
    expect(await areThere()).not.toContain(false);
    await dying.end();
    await cgroups.sweep([]);
    expect(await areThere()).not.toContain(false);
    await guest.end();
    await cgroups.sweep([]);
    expect(await Promise.all(kept.map(isThere))).not.toContain(false);
    expect(await Promise.all(left.map(isThere))).not.toContain(true);
    await others[0]?.remove(vmId);
    expect(await Promise.all(kept.map(isThere))).not.toContain(true);
    await living.end();
  });

  it('that are still in use when they should go are gone at the end', async () => {
    const groups = (await cgroups.make(vmId, bounds)).map(dirname);
    const guest = await anotherProcess();
    await Promise.all(groups.map((group) => writeFile(join(group, 'cgroup.procs'), `${guest.pid}`)));
    await cgroups.remove(vmId);
    expect(await Promise.all(groups.map(isThere))).not.toContain(false);
    await guest.end();
    await cgroups.removeLeft();
    expect(await Promise.all(groups.map(isThere))).not.toContain(true);
  });
});
