/** Finds the QEMU processes that an earlier process left behind, by VM id, and ends exactly those. */
import { basename } from 'node:path';
import { BlixardError } from '../../domain/errors.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { ProcessIdentity, Recovered } from '../hypervisor.ts';
import { isRunning, listCommandLines } from '../process-table.ts';
import { processName } from './arguments.ts';

/** The kernel frees a killed process in milliseconds unless a disk hangs. */
const goneLimitMs = 5_000;
/** A process that is not our child cannot be waited for, only looked at. */
const lookEveryMs = 10;

/** Kills the VMMs of these VMs and resolves when they are gone. Rejects with INTERNAL when one does not go. */
export async function endLeftVmms(deps: {
  vmIds: readonly string[];
  program: string;
  clock: Clock;
}): Promise<readonly Recovered[]> {
  const idOf = new Map(deps.vmIds.map((id) => [processName(id), id]));
  const found: { id: string; identity: ProcessIdentity }[] = [];
  for (const { identity, argv } of await listCommandLines()) {
    const id = idOf.get(nameIn(argv, deps.program) ?? '');
    if (id !== undefined && isRunning(identity)) found.push({ id, identity });
  }
  for (const { identity } of found) kill(identity);
  for (const { id, identity } of found) await waitUntilGone(id, identity, deps.clock);
  return found.map(({ id, identity }) => ({ id, pid: identity.pid }));
}

/** The `-name` of a QEMU command line; undefined for any other program. setpriv has it until it becomes QEMU. */
function nameIn(argv: readonly string[], program: string): string | undefined {
  const [first = ''] = argv;
  if (![basename(program), 'setpriv'].includes(basename(first)) || !argv.includes('-name')) return undefined;
  return argv[argv.indexOf('-name') + 1];
}

function kill({ pid }: ProcessIdentity): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself between the look and the kill.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function waitUntilGone(id: string, identity: ProcessIdentity, clock: Clock): Promise<void> {
  const endMs = clock.monotonicMs() + goneLimitMs;
  while (isRunning(identity)) {
    if (clock.monotonicMs() > endMs) {
      const problem = `QEMU ${identity.pid} of VM ${id} is still there ${goneLimitMs} ms after SIGKILL`;
      throw new BlixardError('INTERNAL', { problem });
    }
    await sleep(clock, lookEveryMs);
  }
}
