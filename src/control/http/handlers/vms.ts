/** Handlers of VMs. */
import type { AppDeps, Handlers } from './handler.ts';

/** What is told of the VMs of all workers. */
export function vmHandlers({ vms }: AppDeps): Pick<Handlers, 'listVms' | 'getVmStats' | 'getVm'> {
  return {
    listVms: ({ query }) => vms.list(query),
    getVmStats: () => vms.stats(),
    getVm: ({ params }) => vms.get(params.id),
  };
}
