/** MicroVMs on the wire: what a worker tells of its own, and what is told of all. */
import { type Static, Type } from 'typebox';
import { uuidPattern } from '../domain/ids.ts';
import { limits } from '../domain/limits.ts';
import { vmMachine } from '../domain/vm.ts';
import { JobId, VmFacts } from './job.ts';
import { nullable, oneOf, strict, timeMs, wholeNumber } from './schema.ts';

const VmId = Type.String({ pattern: uuidPattern });

/** What VMs are there for. */
export const vmUses = ['job', 'pool', 'service'] as const;

/** One VM of a worker. */
export const VmReport = strict({
  id: VmId,
  state: oneOf(vmMachine.states),
  /** `pool`: it waits, paused, for any job. `service`: it waits for the next job of its queue and tenant. */
  use: oneOf(vmUses),
  image: VmFacts.properties.image,
  hypervisor: VmFacts.properties.hypervisor,
  accel: VmFacts.properties.accel,
  memoryMiB: wholeNumber(1),
  vcpus: wholeNumber(1),
  start: VmFacts.properties.start,
  startReason: VmFacts.properties.startReason,
  bootMs: VmFacts.properties.bootMs,
  jobsServed: VmFacts.properties.jobsServed,
  startedAtMs: timeMs,
  jobId: nullable(JobId),
  attempt: nullable(wholeNumber(1)),
});
export type VmReport = Static<typeof VmReport>;

/** A VM, and who told of it when. */
export const Vm = strict({
  ...VmReport.properties,
  workerId: Type.String({ pattern: uuidPattern }),
  workerName: Type.String(),
  toldAtMs: timeMs,
});
export type Vm = Static<typeof Vm>;

export const VmPage = strict({
  vms: Type.Array(Vm),
  nextCursor: nullable(VmId),
});
export type VmPage = Static<typeof VmPage>;

const count = wholeNumber(0);

export const VmStats = strict({
  vms: wholeNumber(0),
  memoryMiB: wholeNumber(0, { description: 'of the guests together' }),
  byUse: strict({ job: count, pool: count, service: count }),
  byStart: strict({ service: count, pool: count, restore: count, boot: count }),
  byState: strict({
    starting: count,
    ready: count,
    busy: count,
    idle: count,
    draining: count,
    terminated: count,
    failed: count,
  }),
});
export type VmStats = Static<typeof VmStats>;

/** The VMs a work call tells of. */
export const VmReports = Type.Optional(Type.Array(VmReport, { maxItems: limits.vmsToldMax }));
