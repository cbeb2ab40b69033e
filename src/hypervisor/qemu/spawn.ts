/** Starts a program so that it dies with this process and can gain no privilege. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

/** Comes first in the command line of whatever is started here. */
export const binder = 'setpriv';

/**
 * Starts `program` by way of setpriv (util-linux), which replaces itself by it: the pid is the program's own. The
 * kernel kills it when this process ends, however that happens. It is detached from the terminal, or Ctrl-C would
 * end every VM at once instead of letting its job go on while the worker drains.
 */
export function spawnBound(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn(binder, ['--pdeathsig', 'KILL', '--no-new-privs', '--', program, ...args], {
    ...options,
    detached: true,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
  });
}
