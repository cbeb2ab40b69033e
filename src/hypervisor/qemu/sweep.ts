/** Finds the QEMU processes that an earlier process left behind, by VM id, and ends exactly those. */
import { basename } from 'node:path';
import { BlixardError } from '../../domain/errors.ts';
import { formatDurationMs } from '../../domain/units.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { ProcessIdentity, Recovered } from '../hypervisor.ts';
import { isRunning, killProcess, listCommandLines } from '../process-table.ts';
import { processName } from './arguments.ts';
import { binder } from './spawn.ts';

/** The kernel frees a killed process in milliseconds unless a disk hangs. */
const goneLimitMs = 5_000;
/** A process that is not our child cannot be waited for, only looked at. */
const lookEveryMs = 10;

/** What a VMM is before it is QEMU, and what stays beside it: in the order of the command line. */
const before = [binder, 'sh', 'prlimit', 'bwrap'];

/** Kills the VMMs of these VMs and resolves when they are gone. Rejects with INTERNAL when one does not go. */
export async function endLeftVmms(deps: {
  vmIds: readonly string[];
  program: string;
  clock: Clock;
}): Promise<readonly Recovered[]> {
  if (deps.vmIds.length === 0) return [];
  const idOf = new Map(deps.vmIds.map((id) => [processName(id), id]));
  const found: { id: string; identity: ProcessIdentity; isQemu: boolean }[] = [];
  for (const { identity, argv } of await listCommandLines()) {
    const [name, isQemu] = nameIn(argv, deps.program);
    const id = idOf.get(name ?? '');
    if (id !== undefined && isRunning(identity)) found.push({ id, identity, isQemu });
  }
  // QEMU first, so that bubblewrap takes note of its end.
  found.sort((one, other) => Number(other.isQemu) - Number(one.isQemu));
  for (const { identity } of found) killProcess(identity);
  for (const { id, identity } of found) await waitUntilGone(id, identity, deps.clock);
  const told = new Map<string, number>();
  for (const { id, identity } of found) if (!told.has(id)) told.set(id, identity.pid);
  return [...told].map(([id, pid]) => ({ id, pid }));
}

/** The `-name` of a QEMU command line, and whether the program is QEMU already; undefined for any other program. */
function nameIn(argv: readonly string[], program: string): [name: string | undefined, isQemu: boolean] {
  const first = basename(argv[0] ?? '');
  const isQemu = first === basename(program);
  if ((!isQemu && !before.includes(first)) || !argv.includes('-name')) return [undefined, isQemu];
  return [argv[argv.indexOf('-name') + 1], isQemu];
}

async function waitUntilGone(id: string, identity: ProcessIdentity, clock: Clock): Promise<void> {
  const endMs = clock.monotonicMs() + goneLimitMs;
  while (isRunning(identity)) {
    if (clock.monotonicMs() > endMs) {
      const problem = `QEMU ${identity.pid} of VM ${id} is still there ${formatDurationMs(goneLimitMs)} after SIGKILL`;
      throw new BlixardError('INTERNAL', { problem });
    }
    await sleep(clock, lookEveryMs);
  }
}
