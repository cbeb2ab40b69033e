import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { realClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { Cgroups, findCgroups } from './cgroups.ts';
import { temporaryFolder } from './scripts.suite.ts';

const deps = { clock: realClock, log: silentLog };
const bounds = { memoryBytes: 64 * 1_024 ** 2, processes: 5 };

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
      join(dir, 'blixard-vm-one', 'cgroup.procs'),
    ]);
    const group = join(dir, 'blixard-vm-one');
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

/** Whether this host lets this process make cgroups. */
const here = await findCgroups();

describe.skipIf('missing' in here)('cgroups of this host', () => {
  const places = 'missing' in here ? { version: 'v2' as const, places: [] } : here;
  const cgroups = new Cgroups({ ...deps, places });
  const vmId = `test-${process.pid}`;
  const isThere = (group: string) =>
    access(group).then(
      () => true,
      () => false,
    );

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
});
