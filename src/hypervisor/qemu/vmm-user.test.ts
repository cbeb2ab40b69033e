import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from './scripts.suite.ts';
import { usersForVmms } from './vmm-user.ts';

const id = '01a21489-5d96-7000-869f-28e95a908300';

async function users(map: string, host: Partial<Parameters<typeof usersForVmms>[0]> = {}) {
  const uidMapPath = join(await temporaryFolder(), 'uid_map');
  await writeFile(uidMapPath, map);
  return await usersForVmms({ isRoot: true, needsKvm: false, uidMapPath, ...host });
}

it('gives each VM a user of its own, all of one group, none of which is root or known to the system', async () => {
  const found = await users('         0          0 4294967295\n');
  if ('none' in found) throw new Error(found.none);
  const one = found(id);
  const other = found('01a21489-5d96-7000-869f-28e95a908301');
  expect(one.uid).not.toBe(other.uid);
  expect(one.gid).toBe(other.gid);
  for (const { uid, gid } of [one, other]) {
    expect(gid).toBe(0x7000_0000);
    expect(uid).toBeGreaterThan(gid);
    expect(uid).toBeLessThan(0x7100_0000);
  }
});

it('is nobody where a container has few users', async () => {
  const found = await users('0 100000 65536\n');
  if ('none' in found) throw new Error(found.none);
  expect(found(id)).toEqual({ uid: 65_534, gid: 65_534, groups: [], isAlone: false });
});

it('says who a VMM is where there is no choice', async () => {
  expect(await users('', { isRoot: false })).toEqual({ none: 'the user of this process' });
});

it('is not tried where only root may use /dev/kvm', async () => {
  const kvmPath = join(await temporaryFolder(), 'kvm');
  await writeFile(kvmPath, '', { mode: 0o600 });
  expect(await users('', { needsKvm: true, kvmPath })).toEqual({
    none: expect.stringContaining('/dev/kvm is for root alone'),
  });
});
