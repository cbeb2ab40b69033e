/** Tells how many VMs a worker of this host may have, and what they may take. */
import { availableParallelism } from 'node:os';
import { formatBytes } from '../../domain/units.ts';
import { boundsOfThisHost } from '../../vm/host-bounds.ts';
import { type Check, fail, ok } from './check.ts';

const mib = 1_024 ** 2;

/** Bounds of the host, not what is left of it now. */
export const vmRoomCheck: Check = {
  name: 'room for VMs',
  async look({ config }) {
    const { vmsMax, memoryMiB, cpusMax, vcpusMax } = boundsOfThisHost(config.vmsMax, config.cpusMax);
    if (memoryMiB <= 0) return fail('no memory is left for a VM', 'Give the host, or this container, more.');
    const cores = availableParallelism();
    const cpus = `those with jobs have ${cpusMax} CPUs together on ${cores} cores, each at most ${vcpusMax}`;
    return ok(`${vmsMax} VMs in ${formatBytes(memoryMiB * mib)}; ${cpus}`);
  },
};
