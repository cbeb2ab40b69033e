/** MicroVMs on the wire: what a worker tells of its own, and what is told of all. */
import { uuidPattern } from '../domain/ids.ts';
import { limits } from '../domain/limits.ts';
import { vmMachine } from '../domain/vm.ts';
import { JobId, VmFacts } from './job.ts';
import { nullable, oneOf, strict, timeMs, wholeNumber } from './schema.ts';
import { type Static, Type } from './typebox.ts';

const VmId = Type.String({ pattern: uuidPattern });

/** What VMs are there for. */
export const vmUses = ['job', 'pool', 'service'] as const;

/** What a claimed job may wait for on its worker: CPUs, memory, the end of another VM, its turn to start. */
export const lackedParts = ['cpus', 'memory', 'vms', 'starts'] as const;
/** One of them. */
export type LackedPart = (typeof lackedParts)[number];

const count = wholeNumber(0);

/** What a VMM process uses of its host. */
const VmUsage = strict({
  rssKiB: wholeNumber(0, { description: 'memory, pages shared with other VMs in full' }),
  rssPeakKiB: wholeNumber(0, { description: 'highest of that so far' }),
  pssKiB: nullable(
    wholeNumber(0, { description: 'memory, shared pages by their share; looked at less often' }),
  ),
  cpuMs: wholeNumber(0, { description: 'CPU time since its start' }),
  readBytes: nullable(wholeNumber(0, { description: 'read from disks' })),
  writtenBytes: nullable(wholeNumber(0, { description: 'written to disks' })),
  atMs: timeMs,
});

/** An image and size, or a whole host, whose VMs are not started for now because the last ones failed. */
export const VmStop = strict({
  image: nullable(
    Type.String({ maxLength: limits.factLength, description: 'name:tag; null: all of this worker' }),
  ),
  memoryMiB: nullable(wholeNumber(1)),
  vcpus: nullable(wholeNumber(1)),
  failures: wholeNumber(1, { description: 'in a row' }),
  retryInMs: wholeNumber(0, { description: 'until the next try; 0: it is due or under way' }),
  why: Type.String({ maxLength: limits.reasonLength, description: 'what failed last' }),
});
export type VmStop = Static<typeof VmStop>;

/** A claimed job whose VM is not started yet, because its worker has no room for it. */
export const JobLacking = strict({
  jobId: JobId,
  attempt: wholeNumber(1),
  what: oneOf(lackedParts),
  text: Type.String({
    maxLength: limits.reasonLength,
    description: 'what its worker has instead, for example 0 of 2 CPUs free',
  }),
});
export type JobLacking = Static<typeof JobLacking>;

/** One VM of a worker. */
export const VmReport = strict({
  id: VmId,
  state: oneOf(vmMachine.states),
  /**
   * `pool`: it waits for any job, paused, or `starting` as long as it was not restored. `service`: it waits for the
   * next job of its queue and tenant.
   */
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
  usage: Type.Optional(VmUsage),
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
  usage: strict(
    {
      rssKiB: count,
      pssKiB: wholeNumber(0, { description: 'of those of which it is known' }),
      cpuMs: count,
      readBytes: count,
      writtenBytes: count,
    },
    { description: 'of their hosts, as looked at last' },
  ),
  stopped: Type.Array(
    strict({
      ...VmStop.properties,
      workerId: Type.String({ pattern: uuidPattern }),
      workerName: Type.String(),
    }),
    { description: 'VMs that are not started for now' },
  ),
});
export type VmStats = Static<typeof VmStats>;

/** The VMs a work call tells of. */
export const VmReports = Type.Optional(Type.Array(VmReport, { maxItems: limits.vmsToldMax }));

/** What a work call tells of VMs that are not started for now. */
export const VmStops = Type.Optional(Type.Array(VmStop, { maxItems: limits.vmStopsTold }));

/** The jobs a work call tells of that wait on its worker; left out where none does. */
export const JobsLacking = Type.Optional(Type.Array(JobLacking, { maxItems: limits.lackingTold }));
