/** What a worker tells the server of its VMs. */
import type { JobLacking, VmReport, VmStop } from '../contract/vm.ts';
import { limits } from '../domain/limits.ts';
import type { BreakerTold } from '../vm/breaker-words.ts';
import type { Lack } from '../vm/lacking.ts';
import type { VmTold } from '../vm/micro-vm.ts';
import type { VmUsage } from '../vm/resource-monitor.ts';
import type { VmService } from '../vm/vm-service.ts';

/** Those that serve a job first; no more than the server takes. */
export function vmReports(vms: Pick<VmService, 'told'>): VmReport[] {
  return vms.told().slice(0, limits.vmsToldMax).map(reportOf);
}

/** No more than the server takes. */
export function vmStops(vms: Pick<VmService, 'breakers'>): VmStop[] {
  return vms.breakers().slice(0, limits.vmStopsTold).map(stopOf);
}

/** The first in line; no more than the server takes. */
export function jobsLacking(lacks: readonly Lack[]): JobLacking[] {
  return lacks.slice(0, limits.lackingTold).flatMap(({ purpose, what, text }) => {
    const { jobId, attempt } = attemptOfPurpose(purpose);
    const told = { what, text: text.slice(0, limits.reasonLength) };
    return jobId === null || attempt === null ? [] : [{ jobId, attempt, ...told }];
  });
}

/** As the microvm executor writes it. */
function attemptOfPurpose(purpose: string | undefined): Pick<VmReport, 'jobId' | 'attempt'> {
  const [jobId, attempt] = purpose?.split('/') ?? [];
  return { jobId: jobId ?? null, attempt: attempt === undefined ? null : Number(attempt) };
}

function stopOf({ image, memoryMiB, vcpus, failures, retryInMs, why }: BreakerTold): VmStop {
  return {
    image: image ?? null,
    memoryMiB: memoryMiB ?? null,
    vcpus: vcpus ?? null,
    ...{ failures, retryInMs, why },
  };
}

function usageOf({ rssKiB, rssPeakKiB, pssKiB, cpuMs, readBytes, writtenBytes, atMs }: VmUsage) {
  return { rssKiB, rssPeakKiB, pssKiB, cpuMs, readBytes, writtenBytes, atMs };
}

function reportOf({
  facts,
  purpose,
  state,
  memoryMiB,
  vcpus,
  startedAtMs,
  usage,
  jobsServed,
}: VmTold): VmReport {
  const { vmId: id, image, hypervisor, accel, start, startReason, bootMs } = facts;
  return {
    ...{ id, state, image, hypervisor, accel, memoryMiB, vcpus, start, bootMs, startedAtMs },
    use: purpose !== undefined ? 'job' : jobsServed === undefined ? 'pool' : 'service',
    ...(startReason === undefined ? {} : { startReason }),
    ...(usage === undefined ? {} : { usage: usageOf(usage) }),
    ...(jobsServed === undefined ? {} : { jobsServed }),
    ...attemptOfPurpose(purpose),
  };
}
