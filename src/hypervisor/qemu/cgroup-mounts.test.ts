import { expect, it } from 'vitest';
import { hierarchiesOf } from './cgroup-mounts.ts';

const wanted = ['memory', 'pids'];

it('finds the trees of version 1, each with the cgroup of this process', () => {
  const mounts = [
    '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu',
    '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory',
    '39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids',
    '',
  ].join('\n');
  const memberships = '8:pids:/\n4:memory:/some/one:here\n1:cpu:/\n0::/\n';
  expect(hierarchiesOf(mounts, memberships, wanted)).toEqual([
    {
      version: 'v1',
      root: '/sys/fs/cgroup/memory',
      dir: '/sys/fs/cgroup/memory/some/one:here',
      controllers: ['memory'],
    },
    { version: 'v1', root: '/sys/fs/cgroup/pids', dir: '/sys/fs/cgroup/pids', controllers: ['pids'] },
  ]);
});

it('finds the tree of version 2, and knows which part of it a container sees', () => {
  const mounts = '40 30 0:26 /docker/abc /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate';
  const found = hierarchiesOf(mounts, '0::/docker/abc/worker\n', wanted);
  expect(found).toEqual([
    { version: 'v2', root: '/sys/fs/cgroup', dir: '/sys/fs/cgroup/worker', controllers: [] },
  ]);
});

it('finds none where none is mounted', () => {
  expect(hierarchiesOf('', '0::/\n', wanted)).toEqual([]);
});
