/** What goes into the base image. Any change here makes the next build a new image. */

export const recipe = {
  /** Raise it when the code of the build changes what comes out. */
  version: 1,
  /** Debian's package that depends on the newest kernel for virtual machines. */
  kernelPackage: 'linux-image-cloud-amd64',
  /** What the agent needs to find its channel and its root; what these need is added, in load order. */
  modules: ['virtio_mmio', 'virtio_console', 'virtio_blk', 'squashfs', 'overlay'],
  /** Debian packages of the root file system; apt adds what they depend on. */
  rootPackages: ['base-files', 'bash', 'busybox-static', 'coreutils', 'dash'],
  rootFsType: 'squashfs',
  /** Uncompressed: a guest reads its root through the page cache of the host, and unpacking is slow under emulation. */
  squashfsOptions: ['-noI', '-noD', '-noF', '-noX', '-no-xattrs'],
  /** The time of every file made here, epoch seconds (2024-01-01): equal inputs give equal bytes. */
  timeSeconds: 1_704_067_200,
} as const;
