/** Sets the limits of a job inside of its guest, before its command. */
import { guestTasks } from '../contract/guest.ts';
import type { GuestLimits } from '../contract/guest-limits.ts';
import { BlixardError, isBlixardError } from '../domain/errors.ts';
import type { MicroVm } from '../vm/micro-vm.ts';

const mib = 1_024 ** 2;
/** Exit code of `limits` in a guest that has less room. */
const isCut = 28;

/**
 * Nothing where the job has none. Gives what its guest does not have, in words. Rejects with IMAGE_INVALID when the
 * guest does not take them: without its limits the command must not run; or with the error of a guest that broke down.
 */
export async function limitGuest(
  vm: MicroVm,
  { diskMiB = 0, pids = 0 }: GuestLimits,
): Promise<readonly string[]> {
  if (diskMiB === 0 && pids === 0) return [];
  const spec = { argv: guestTasks.limits(diskMiB * mib, pids), env: [], cwd: '/', uid: 0 };
  try {
    const { code } = await vm.task(spec, { stdin: new Uint8Array(), output: async () => undefined }).exited;
    return code === isCut ? [`its microVM cannot hold ${diskMiB} MiB of files, and had less room`] : [];
  } catch (error) {
    if (!isBlixardError(error, 'GUEST_REFUSED')) throw error;
    const problem = `its agent does not set limits (${String(error.details['problem'])}); build it anew`;
    throw new BlixardError('IMAGE_INVALID', { image: vm.facts.image, problem }, { cause: error });
  }
}
