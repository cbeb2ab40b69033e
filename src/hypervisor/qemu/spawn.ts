/** Starts a program so that it dies with this process and can gain no privilege. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

/** Comes first in the command line of whatever is started here. */
export const binder = 'setpriv';

/** Of a parent that has died before the kernel was told of it nothing is heard: the child has another by now. */
const onlyOfItsParent = 'test "$PPID" = "$1" || exit 1; shift; exec "$@"';

/**
 * Starts `program` by way of setpriv (util-linux) and a shell, which replace themselves by it: the pid is the program's
 * own. The kernel kills it when this process ends, however and whenever that happens. It is detached from the terminal,
 * or Ctrl-C would end every VM at once instead of letting its job go on while the worker drains.
 */
export function spawnBound(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const guarded = ['sh', '-c', onlyOfItsParent, 'sh', `${process.pid}`, program, ...args];
  return spawn(binder, ['--pdeathsig', 'KILL', '--no-new-privs', '--', ...guarded], {
    ...options,
    detached: true,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
  });
}
