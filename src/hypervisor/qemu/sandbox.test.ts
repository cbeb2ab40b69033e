import { expect, it } from 'vitest';
import { programFoldersOf, sandboxCommand } from './sandbox.ts';
import type { Becoming } from './vmm-user.ts';

const view = {
  readOnly: ['/root/images/kernel', '/root/images/root'],
  programFolders: [],
  writable: ['/data/templates/1/memory'],
  folder: '/data/vms/1',
  needsKvm: false,
};
const user: Becoming = { uid: 7, gid: 8, groups: [], isAlone: true, ownNamespace: true };
const line = (more: Partial<typeof view> = {}, as = user): string =>
  sandboxCommand({ ...view, ...more }, as).join(' ');

it('shows /usr and the files that were named, and lets nothing be written but what was named for it', () => {
  const binds = [...line().matchAll(/--(ro-bind|bind|dev-bind) (\S+) (\S+)/g)].map(([, how, from, to]) => {
    expect(to).toBe(from);
    return `${how} ${from}`;
  });
  expect(binds).toEqual([
    'ro-bind /usr',
    'ro-bind /data/vms/1',
    'ro-bind /root/images/kernel',
    'ro-bind /root/images/root',
    'bind /data/templates/1/memory',
  ]);
  expect(line()).toContain('--remount-ro / ');
});

it('makes the folders above them itself, so that the user of the VMM may enter them', () => {
  const folders = [...line().matchAll(/--dir (\S+)/g)].map(([, path]) => path);
  expect(folders).toEqual([
    '/data',
    '/data/templates',
    '/data/templates/1',
    '/data/vms',
    '/etc',
    '/root',
    '/root/images',
  ]);
});

it('becomes the user without any right, after which it can gain none', () => {
  expect(line()).toMatch(
    / -- setpriv --reuid 7 --regid 8 --clear-groups --bounding-set -all .*--no-new-privs -- unshare --user -- sh -c /,
  );
  expect(line({}, { ...user, ownNamespace: false })).toMatch(/ -- setpriv .*--no-new-privs -- sh -c /);
  expect(line({ needsKvm: true }, { ...user, groups: [108] })).toMatch(
    /--dev-bind \/dev\/kvm .* --groups 108 /,
  );
});

it('is nobody in a namespace of its own where it stays who it is', () => {
  const own = sandboxCommand(view, undefined).join(' ');
  expect(own).toMatch(/ --unshare-user --uid 65534 --gid 65534 --cap-drop ALL -- sh -c /);
  expect(own).not.toContain('setpriv');
});

it('shows what lies beside a program that is not below /usr', () => {
  expect(programFoldersOf('qemu-system-x86_64')).toEqual([]);
  expect(programFoldersOf('/usr/local/bin/qemu')).toEqual([]);
  expect(programFoldersOf('/bin/qemu')).toEqual([]);
  expect(programFoldersOf('/opt/qemu/bin/qemu')).toContain('/opt/qemu/share');
});
