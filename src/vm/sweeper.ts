/** Ends and removes what an earlier process of this worker left, VMMs and their folders, and what dead workers did. */
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Log } from '../platform/log.ts';
import type { VmRegistry } from './registry.ts';

/** Sweeps before the first VM is started; returns how many records there were. Rejects when one cannot be ended. */
export async function sweep(deps: {
  registry: VmRegistry;
  hypervisor: Hypervisor;
  log: Log;
}): Promise<number> {
  const left = await deps.registry.onDisk();
  const ended = await deps.hypervisor.recover(left);
  if (left.length === 0) return 0;
  for (const id of left) await deps.registry.forget(id);
  deps.log.warn({ vms: left, ended }, 'swept VMs that an earlier worker process left');
  return left.length;
}
