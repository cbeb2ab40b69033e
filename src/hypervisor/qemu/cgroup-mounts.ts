/** Reads where cgroups are mounted and to which this process belongs. */
import { join } from 'node:path';

/** One tree of cgroups, as this process sees it. */
export interface Hierarchy {
  readonly version: 'v1' | 'v2';
  /** Where it is mounted. */
  readonly root: string;
  /** The cgroup of this process in it. */
  readonly dir: string;
  /** Version 1 only: what it controls; in version 2 each folder says so itself. */
  readonly controllers: readonly string[];
}

interface Mount {
  readonly mountedAt: string;
  /** Which cgroup of the tree is its root here: not the topmost in a container. */
  readonly from: string;
  readonly type: string;
  readonly options: readonly string[];
}

/**
 * The trees that control one of these.
 *
 * @param mounts text of /proc/self/mountinfo
 * @param memberships text of /proc/self/cgroup, lines of `number:controllers:path`
 */
export function hierarchiesOf(mounts: string, memberships: string, wanted: readonly string[]): Hierarchy[] {
  const members = memberships.split('\n').map((line) => line.split(':'));
  return mounts
    .split('\n')
    .flatMap((line) => mountIn(line) ?? [])
    .flatMap((mount): Hierarchy[] => {
      if (mount.type === 'cgroup2') {
        const [, , ...path] = members.find(([number, names]) => number === '0' && names === '') ?? [];
        return [{ version: 'v2', ...placeIn(mount, path.join(':')), controllers: [] }];
      }
      const controllers = mount.options.filter((option) => wanted.includes(option));
      if (mount.type !== 'cgroup' || controllers.length === 0) return [];
      const [first = ''] = controllers;
      const [, , ...path] = members.find(([, names = '']) => names.split(',').includes(first)) ?? [];
      return [{ version: 'v1', ...placeIn(mount, path.join(':')), controllers }];
    });
}

function placeIn({ mountedAt, from }: Mount, path: string): Pick<Hierarchy, 'root' | 'dir'> {
  const inside = from !== '/' && path.startsWith(from) ? path.slice(from.length) : path;
  return { root: mountedAt, dir: inside === '/' ? mountedAt : join(mountedAt, inside) };
}

/** `36 35 98:0 /from /mounted/at rw,noatime master:1 - type device options`; undefined for an empty line. */
function mountIn(line: string): Mount | undefined {
  const [before = '', after] = line.split(' - ');
  if (after === undefined) return undefined;
  const [, , , from = '', mountedAt = ''] = before.split(' ');
  const [type = '', , options = ''] = after.split(' ');
  return { from, mountedAt, type, options: options.split(',') };
}
