/** Processes as /proc tells of them: who they are, whether they live, what they were started with. */
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import type { ProcessIdentity } from './hypervisor.ts';

interface ProcessStat {
  readonly state: string;
  readonly startTicks: number;
  /** User and system time. */
  readonly cpuTicks: number;
}

/** State, start and CPU time in a line of /proc/PID/stat. The name in it may hold spaces and parentheses. */
export function parseStat(line: string): ProcessStat | undefined {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const [state = ''] = fields;
  // Field 22 of the line; the first one here is field 3.
  const startTicks = Number(fields[22 - 3]);
  const cpuTicks = Number(fields[14 - 3]) + Number(fields[15 - 3]);
  const isWhole = state !== '' && Number.isSafeInteger(startTicks) && Number.isSafeInteger(cpuTicks);
  return isWhole ? { state, startTicks, cpuTicks } : undefined;
}

/** Who has this pid now, a zombie included; undefined when nobody has. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  return stat === undefined ? undefined : { pid, startTicks: stat.startTicks };
}

/** True while this very process runs: false when it is gone, a zombie, or its pid has another owner. */
export function isRunning({ pid, startTicks }: ProcessIdentity): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== 'Z';
}

/** It waits for something that is no disk: for a child, a timer, a peer; or it is gone. */
export function isAsleep(pid: number): boolean {
  return (statOf(pid)?.state ?? 'S') === 'S';
}

/** Pids of the children that the main thread of a process has, oldest first; none when it is gone. */
export function childrenOf(pid: number): readonly number[] {
  try {
    const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return pids === '' ? [] : pids.split(' ').map(Number);
  } catch (error) {
    return undefinedIfGone(error) ?? [];
  }
}

/** Kills this very process; false when it does not run any more. */
export function killProcess(identity: ProcessIdentity): boolean {
  if (!isRunning(identity)) return false;
  try {
    return process.kill(identity.pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself between the look and the kill.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Arguments of every running process that may be read. */
export async function listCommandLines(): Promise<{ identity: ProcessIdentity; argv: readonly string[] }[]> {
  const found: { identity: ProcessIdentity; argv: readonly string[] }[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const identity = identify(Number(entry));
    const line = await unlessGone(() => readFile(`/proc/${entry}/cmdline`, 'utf8'));
    if (identity !== undefined && line) found.push({ identity, argv: line.split('\0') });
  }
  return found;
}

function statOf(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    return undefinedIfGone(error);
  }
}

async function unlessGone<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    return undefinedIfGone(error);
  }
}

/** For what was thrown by a look into /proc: a process may end between two looks, or be none of ours. */
export function undefinedIfGone(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOENT' && code !== 'ESRCH' && code !== 'EACCES' && code !== 'EPERM') throw error;
  return undefined;
}
