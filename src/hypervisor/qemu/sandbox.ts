/** The command line of bubblewrap that locks one VMM in: a pure function, every switch with the reason for it. */
import { dirname, join } from 'node:path';
import type { Becoming } from './vmm-user.ts';

/** Where bubblewrap tells the pid of the first process in the sandbox, whose only child QEMU is. */
export const infoFd = 6;
/** Where the program is told to begin: by nobody but a worker that lives, and sees that its death will be noticed. */
export const wordFd = 7;
const nobody = '65534';

/** What a VMM may see besides /usr. */
export interface SandboxView {
  /** Files it may read. */
  readonly readOnly: readonly string[];
  /** Folders of a program that is not below /usr, those that are there. */
  readonly programFolders: readonly string[];
  /** Files it may write. */
  readonly writable: readonly string[];
  /** The folder it runs in; it may read it. */
  readonly folder: string;
  readonly needsKvm: boolean;
}

/**
 * `bwrap` and its arguments, up to the program that shall run in it, once there is a line on `wordFd`.
 *
 * @param user the VMM becomes it, which only root can do; undefined: it stays who this process is, in a user
 * namespace where that is nobody.
 */
export function sandboxCommand(view: SandboxView, user: Becoming | undefined): string[] {
  const files = [
    // First: it may hold others of these.
    ['--ro-bind', view.folder],
    ...view.programFolders.map((path) => ['--ro-bind-try', path]),
    ...view.readOnly.map((path) => ['--ro-bind', path]),
    ...view.writable.map((path) => ['--bind', path]),
  ];
  return [
    'bwrap',
    // No network, no other processes, no shared memory, nobody else's names.
    ...['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
    // The first process in there ends with bubblewrap, which ends with this process; its namespace ends with it,
    // whoever the others run as. No terminal to write to.
    ...['--die-with-parent', '--new-session', '--info-fd', String(infoFd)],
    ...['--ro-bind', '/usr', '/usr', '--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64'],
    // Folders that bubblewrap makes by itself are closed to the VMM's user.
    ...foldersOf([...files.map(([, path = '']) => path), '/etc/ld.so.cache']).flatMap((path) => [
      '--dir',
      path,
    ]),
    ...['--ro-bind-try', '/etc/ld.so.cache', '/etc/ld.so.cache', '--dev', '/dev'],
    ...(view.needsKvm ? ['--dev-bind', '/dev/kvm', '/dev/kvm'] : []),
    ...files.flatMap(([how = '', path = '']) => [how, path, path]),
    ...['--remount-ro', '/', '--chdir', view.folder],
    ...(user === undefined ? ownUser : [...rightsToBecome, '--', ...become(user)]),
    ...['sh', '-c', awaitWord, 'sh'],
  ];
}

/**
 * Until its first process has told the kernel to end it with bubblewrap, some milliseconds from its start, a sandbox
 * outlives a worker that is killed, and would run a VMM of nobody. Who dies says no word, and closes the descriptor.
 */
const awaitWord = `read -r word <&${wordFd} || exit 1; exec ${wordFd}<&-; exec "$@"`;

const ownUser = ['--unshare-user', '--uid', nobody, '--gid', nobody, '--cap-drop', 'ALL', '--'];
const rightsToBecome = [
  ...['--cap-drop', 'ALL', '--cap-add', 'CAP_SETUID', '--cap-add', 'CAP_SETGID', '--cap-add', 'CAP_SETPCAP'],
];

function become({ uid, gid, groups, ownNamespace }: Becoming): string[] {
  const others = groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join(',')];
  const rights = ['--bounding-set', '-all', '--inh-caps', '-all', '--no-new-privs'];
  const ids = ['--reuid', String(uid), '--regid', String(gid)];
  // Made by the user, not by root, and without a map: there is nobody in it that it could become.
  const namespace = ownNamespace ? ['unshare', '--user', '--'] : [];
  return ['setpriv', ...ids, ...others, ...rights, '--', ...namespace];
}

/** Every folder above these paths, from the root down. */
function foldersOf(paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    for (let folder = dirname(path); folder !== '/' && !found.has(folder); folder = dirname(folder)) {
      found.add(folder);
    }
  }
  return [...found].filter((path) => path !== '/usr' && !path.startsWith('/usr/')).sort();
}

/** Where a program finds its own that is not below /usr: the folders beside that of its programs. */
export function programFoldersOf(program: string): string[] {
  const prefix = dirname(dirname(program));
  if (!program.startsWith('/') || program.startsWith('/usr/') || prefix === '/') return [];
  return ['bin', 'lib', 'lib64', 'libexec', 'share'].map((name) => join(prefix, name));
}
