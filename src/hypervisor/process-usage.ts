/** What a VMM process and its children use of the host, as /proc tells. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { ProcessIdentity } from './hypervisor.ts';
import { childrenOf, identify, parseStat, undefinedIfGone } from './process-table.ts';

/** A VMM may stand behind one or two that lock it in; more is not followed. */
const processesMax = 8;
/** USER_HZ, which Linux promises to programs whatever it uses itself. */
const msPerTick = 10;

/** Of the process and its children together. */
export interface ProcessUsage {
  readonly rssKiB: number;
  /** What of it is shared with no file: no page cache. */
  readonly anonKiB: number;
  /** Highest so far. */
  readonly rssPeakKiB: number;
  /** User and system time since its start. */
  readonly cpuMs: number;
  /** From and to disks; null where we may not look. */
  readonly readBytes: number | null;
  readonly writtenBytes: number | null;
}

/** Reads some small files of /proc; undefined when the process is gone, or its pid has another owner. */
export function usageOf(identity: ProcessIdentity): ProcessUsage | undefined {
  const usages = treeOf(identity).map(usageOfPid);
  const known = usages.filter((usage) => usage !== undefined);
  if (usages[0] === undefined) return undefined;
  return known.reduce((sum, one) => ({
    rssKiB: sum.rssKiB + one.rssKiB,
    anonKiB: sum.anonKiB + one.anonKiB,
    rssPeakKiB: sum.rssPeakKiB + one.rssPeakKiB,
    cpuMs: sum.cpuMs + one.cpuMs,
    readBytes: plus(sum.readBytes, one.readBytes),
    writtenBytes: plus(sum.writtenBytes, one.writtenBytes),
  }));
}

/**
 * Memory in KiB, pages shared with others by their share; undefined when it cannot be told. The kernel walks all
 * pages for it, some ms for a guest of 128 MiB.
 */
export async function pssKiBOf(identity: ProcessIdentity): Promise<number | undefined> {
  let sum: number | undefined;
  for (const pid of treeOf(identity)) {
    const kiB = await pssOfPid(pid);
    if (kiB !== undefined) sum = (sum ?? 0) + kiB;
  }
  return sum;
}

/** The number behind a name in a file such as /proc/PID/status. */
function numberAfter(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

async function pssOfPid(pid: number): Promise<number | undefined> {
  try {
    return numberAfter(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss');
  } catch (error) {
    return undefinedIfGone(error);
  }
}

/** The process first; empty when it is gone. */
function treeOf(identity: ProcessIdentity): readonly number[] {
  if (identify(identity.pid)?.startTicks !== identity.startTicks) return [];
  const pids = [identity.pid];
  for (let at = 0; at < pids.length && pids.length < processesMax; at++) {
    pids.push(...childrenOf(pids[at] ?? 0));
  }
  return pids.slice(0, processesMax);
}

function usageOfPid(pid: number): ProcessUsage | undefined {
  const status = readProc(`${pid}/status`);
  const stat = readProc(`${pid}/stat`);
  const ticks = stat === undefined ? undefined : parseStat(stat)?.cpuTicks;
  const rssKiB = numberAfter(status ?? '', 'VmRSS');
  // One that is ending has no memory any more.
  if (status === undefined || ticks === undefined || rssKiB === undefined) return undefined;
  const io = readProc(`${pid}/io`);
  return {
    rssKiB,
    anonKiB: numberAfter(status, 'RssAnon') ?? 0,
    rssPeakKiB: numberAfter(status, 'VmHWM') ?? rssKiB,
    cpuMs: ticks * msPerTick,
    readBytes: io === undefined ? null : (numberAfter(io, 'read_bytes') ?? null),
    writtenBytes: io === undefined ? null : (numberAfter(io, 'write_bytes') ?? null),
  };
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch (error) {
    return undefinedIfGone(error);
  }
}

function plus(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}
