/** Chooses the acceleration, and says why. */
import type { Accel } from '../hypervisor.ts';
import type { KvmVerdict } from './kvm-probe.ts';
import { unavailable } from './program.ts';

const brokenKvm = 'KVM is there, but a stock Linux kernel did not boot under it';

/**
 * `auto` takes KVM only where it is proven. Rejects with VM_MANAGER_UNAVAILABLE when `kvm` is asked for and does
 * not work: what was asked for is never replaced in silence.
 *
 * @param badKvm a stock kernel has been seen to hang under KVM on this host.
 */
export async function chooseAccel(
  wanted: 'auto' | 'kvm' | 'tcg',
  badKvm: boolean,
  probe: () => Promise<KvmVerdict>,
): Promise<{ accel: Accel; accelReason: string }> {
  if (wanted === 'tcg')
    return { accel: 'tcg', accelReason: 'software emulation was asked for (accel = tcg)' };
  const verdict = badKvm ? { usable: false, reason: brokenKvm } : await probe();
  if (verdict.usable) return { accel: 'kvm', accelReason: verdict.reason };
  if (wanted === 'kvm') throw unavailable(`accel = kvm was asked for, but ${verdict.reason}`);
  return { accel: 'tcg', accelReason: `software emulation, because ${verdict.reason}` };
}
