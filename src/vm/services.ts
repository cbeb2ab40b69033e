/** Opens the service VMs of this host. */
import type { ProcessIdentity } from '../hypervisor/hypervisor.ts';
import { usageOf } from '../hypervisor/process-usage.ts';
import type { ServiceLife } from './recycle.ts';
import type { VmServices } from './router.ts';
import { ServiceFleet, type ServiceFleetDeps } from './service-fleet.ts';
import type { ServiceBounds } from './service-plan.ts';
import { ServiceVms, type ServiceVmsDeps } from './service-vms.ts';

/** Memory of a process and its children without files that others map, too; undefined when it is gone. */
export function ownMiBOf(vmm: ProcessIdentity): number | undefined {
  const usage = usageOf(vmm);
  return usage === undefined ? undefined : usage.anonKiB / 1_024;
}

/** What an operator says of service VMs: how many there are, and how long one goes on. */
export interface ServiceConfig extends ServiceBounds, ServiceLife {}

/** Undefined where there are to be none. */
export function openServices(
  deps: Omit<ServiceFleetDeps, 'bounds'> & Pick<ServiceVmsDeps, 'starter'>,
  config: ServiceConfig | undefined,
): VmServices | undefined {
  if (config === undefined || config.max === 0) return undefined;
  const fleet = new ServiceFleet({ ...deps, bounds: config });
  return { fleet, vms: new ServiceVms({ ...deps, fleet, life: config, ownMiBOf }) };
}
