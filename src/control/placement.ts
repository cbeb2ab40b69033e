/** Which workers have room for the VM of a job, and what is said where none has. */
import type { Worker } from '../contract/worker.ts';
import { limits } from '../domain/limits.ts';
import { formatBytes } from '../domain/units.ts';
import { fitsIn, type VmSize } from '../domain/vm-size.ts';

const mib = 1_024 * 1_024;

/** What a job asks of its worker. */
export interface Wanted extends VmSize {
  readonly queue: string;
  readonly executor: string;
}

/** What a worker tells of an executor. */
export function offerOf(worker: Worker, executor: string): Worker['executors'][number] | undefined {
  return worker.executors.find((offer) => offer.name === executor);
}

/** Undefined for a worker that tells no bound: its jobs may need no VM. */
export function hasRoom(
  worker: Worker,
  wanted: Pick<Wanted, 'executor' | keyof VmSize>,
): boolean | undefined {
  const max = offerOf(worker, wanted.executor)?.vmMax;
  return max === undefined ? undefined : fitsIn(wanted, max);
}

/** How much the largest of these workers gives a VM, where none has room for this one. */
export function tooLargeText(
  wanted: Pick<Wanted, 'executor' | keyof VmSize>,
  workers: readonly Worker[],
): string {
  const known = workers.flatMap((worker) => {
    const max = offerOf(worker, wanted.executor)?.vmMax;
    return max === undefined ? [] : [{ name: worker.name, ...max }];
  });
  const [largest] = known.sort((one, two) => two.memoryMiB - one.memoryMiB || two.vcpus - one.vcpus);
  const gives = largest === undefined ? '' : `; the largest, ${largest.name}, gives ${sizeText(largest)}`;
  return `No online worker that could run it has room for a VM of ${sizeText(wanted)}${gives}.`;
}

/**
 * Of a job that was too large for its worker: how often it may be given to others yet, and what is to be said when it
 * may not. `online`: all workers that are, the one it was too large for too.
 */
export function placementOf(
  wanted: Wanted,
  { attempt, refusedBy }: { readonly attempt: number; readonly refusedBy: string },
  online: readonly Worker[],
): { readonly triesLeft: number; readonly message: string } {
  const able = online.filter(
    (worker) =>
      worker.queues.includes(wanted.queue) && offerOf(worker, wanted.executor)?.unavailable === null,
  );
  const isPlaceable = able.some((worker) => worker.id !== refusedBy && hasRoom(worker, wanted) === true);
  return {
    triesLeft: isPlaceable ? Math.max(0, limits.placementsMax - attempt) : 0,
    message: isPlaceable
      ? `It was given to ${attempt} workers that have no room for a VM of ${sizeText(wanted)}.`
      : tooLargeText(wanted, able),
  };
}

function sizeText({ memoryMiB, vcpus }: VmSize): string {
  return `${formatBytes(memoryMiB * mib)} and ${vcpus} ${vcpus === 1 ? 'CPU' : 'CPUs'}`;
}
