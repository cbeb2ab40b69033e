/** What goes into images: what they have in common, and the recipes that ship. Any change here asks for new images. */

/** What every image has. */
export const everyImage = {
  /** Raise it when the code of the build changes what comes out. */
  version: 3,
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

/** What an image may have beyond that. */
export interface Recipe {
  readonly about: string;
  /** Debian packages; apt adds what they depend on. */
  readonly packages: readonly string[];
  /** With the Node.js that runs the build, and the libraries it needs. */
  readonly hasNode: boolean;
}

/** The recipes that ship, by name. */
export const recipes = {
  base: { about: 'bash, coreutils and busybox', packages: [], hasNode: false },
  python: { about: 'base and Python 3', packages: ['python-is-python3', 'python3'], hasNode: false },
  node: { about: 'base and the Node.js that runs Blixard', packages: ['libstdc++6'], hasNode: true },
} as const satisfies Readonly<Record<string, Recipe>>;

export type RecipeName = keyof typeof recipes;

/** Names of the recipes, `base` first. */
export const recipeNames: readonly RecipeName[] = ['base', 'python', 'node'];
