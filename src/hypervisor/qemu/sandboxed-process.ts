/** Who QEMU is and how it ended, where bubblewrap stands between it and this process. */
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { Duplex, Readable } from 'node:stream';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { ProcessIdentity } from '../hypervisor.ts';
import { childrenOf, identify, isAsleep, isRunning } from '../process-table.ts';
import { infoFd, wordFd } from './sandbox.ts';

/** Exit code of a process, or the signal that ended it. */
export type End = readonly [code: number | null, signal: string | null];

/** What bubblewrap says of itself is one small JSON object. */
const infoBytesMax = 4_096;
/** It takes some milliseconds to make the namespaces and what is seen in them. */
const appearsMs = 5_000;
const lookEveryMs = 1;
const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
const signalled = 128;

/** The process that becomes QEMU, which is told to; bubblewrap itself when it does not come so far. */
export async function letIn(
  child: ChildProcess,
  bubblewrap: ProcessIdentity,
  clock: Clock,
): Promise<ProcessIdentity> {
  const inside = await identityInside(child, clock);
  say(child, inside === undefined ? '' : '\n');
  return inside ?? bubblewrap;
}

/** What it waits for to begin; nothing has it end. */
export function say(child: ChildProcess, word: '\n' | ''): void {
  const stdio: readonly unknown[] = child.stdio;
  const channel = stdio[wordFd];
  if (!(channel instanceof Duplex)) return;
  // Where nobody is left to read it, the end of the process tells that.
  channel.on('error', () => channel.destroy());
  channel.resume();
  channel.end(word);
}

async function identityInside(child: ChildProcess, clock: Clock): Promise<ProcessIdentity | undefined> {
  const first = await firstInside(child);
  if (first === undefined) return undefined;
  const endMs = clock.monotonicMs() + appearsMs;
  while (isRunning(first) && clock.monotonicMs() < endMs) {
    const [pid] = childrenOf(first.pid);
    const identity = pid === undefined ? undefined : identify(pid);
    // It waits for its child only after it has bound its life to bubblewrap's.
    if (identity !== undefined && isAsleep(first.pid)) return identity;
    await sleep(clock, lookEveryMs);
  }
  return undefined;
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
