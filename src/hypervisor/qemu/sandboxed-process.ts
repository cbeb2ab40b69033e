/** Who QEMU is and how it ended, where bubblewrap stands between it and this process. */
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { Readable } from 'node:stream';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { ProcessIdentity } from '../hypervisor.ts';
import { childrenOf, identify, isRunning } from '../process-table.ts';
import { infoFd } from './sandbox.ts';

/** Exit code of a process, or the signal that ended it. */
export type End = readonly [code: number | null, signal: string | null];

/** What bubblewrap says of itself is one small JSON object. */
const infoBytesMax = 4_096;
/** It takes some milliseconds to make the namespaces and what is seen in them. */
const appearsMs = 5_000;
const lookEveryMs = 1;
const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
const signalled = 128;

/** The process that becomes QEMU; bubblewrap itself when it does not come so far. */
export async function identityInside(
  child: ChildProcess,
  bubblewrap: ProcessIdentity,
  clock: Clock,
): Promise<ProcessIdentity> {
  const first = await firstInside(child);
  if (first === undefined) return bubblewrap;
  const endMs = clock.monotonicMs() + appearsMs;
  while (isRunning(first) && clock.monotonicMs() < endMs) {
    const [pid] = childrenOf(first.pid);
    const identity = pid === undefined ? undefined : identify(pid);
    if (identity !== undefined) return identity;
    await sleep(clock, lookEveryMs);
  }
  return bubblewrap;
}

async function firstInside(child: ChildProcess): Promise<ProcessIdentity | undefined> {
  const stdio: readonly unknown[] = child.stdio;
  const info = stdio[infoFd];
  if (!(info instanceof Readable)) return undefined;
  let text = '';
  for await (const chunk of info) {
    text += String(chunk);
    if (text.includes('}') || text.length > infoBytesMax) break;
  }
  const pid = /"child-pid"\s*:\s*(\d+)/.exec(text)?.[1];
  return pid === undefined ? undefined : identify(Number(pid));
}

/** How QEMU ended, which bubblewrap tells as a shell does: 128 and the number of the signal. */
export function endInside([code, signal]: End): End {
  if (code === null || code <= signalled) return [code, signal];
  return [null, signalNames.get(code - signalled) ?? `signal ${code - signalled}`];
}
