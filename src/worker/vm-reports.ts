/** What a worker tells the server of its VMs. */
import type { VmReport } from '../contract/vm.ts';
import { limits } from '../domain/limits.ts';
import type { VmTold } from '../vm/micro-vm.ts';
import type { VmService } from '../vm/vm-service.ts';

/** Those that serve a job first; no more than the server takes. */
export function vmReports(vms: Pick<VmService, 'told'>): VmReport[] {
  return vms.told().slice(0, limits.vmsToldMax).map(reportOf);
}

function reportOf({ facts, purpose, state, memoryMiB, vcpus, startedAtMs, jobsServed }: VmTold): VmReport {
  const { vmId: id, image, hypervisor, accel, start, startReason, bootMs } = facts;
  const [jobId, attempt] = purpose?.split('/') ?? [];
  return {
    ...{ id, state, image, hypervisor, accel, memoryMiB, vcpus, start, bootMs, startedAtMs },
    use: purpose !== undefined ? 'job' : jobsServed === undefined ? 'pool' : 'service',
    ...(startReason === undefined ? {} : { startReason }),
    ...(jobsServed === undefined ? {} : { jobsServed }),
    jobId: jobId ?? null,
    attempt: attempt === undefined ? null : Number(attempt),
  };
}
