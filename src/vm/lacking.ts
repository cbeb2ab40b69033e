/** Says in words what jobs lack that wait for a part of their host; each goes on behind the name of their worker. */
import type { LackedPart } from '../contract/vm.ts';

/** What one job lacks. */
export interface Lack {
  /** Whose VM it is, see `StartOrder`. */
  readonly purpose: string;
  readonly what: LackedPart;
  /** For example `0 of 2 CPUs free; 1 job waits before it`. */
  readonly text: string;
}

/** What all places of a host are, and what of them is taken. */
export interface PlaceRoom {
  readonly vmsMax: number;
  readonly live: number;
  readonly startsMax: number;
  readonly starting: number;
  /** What VMs may have together, as much as the host has left for them. */
  readonly memoryMiB: number;
  readonly usedMiB: number;
}

interface Waiter {
  readonly purpose: string | undefined;
}

/** Of a line for processors; those in it who have no purpose are counted, and not told of. */
export function lacksOfCpus(
  line: readonly (Waiter & { readonly vcpus: number })[],
  { max, free }: { readonly max: number; readonly free: number },
): Lack[] {
  return lacksOf(line, 'cpus', ({ vcpus }) => `${free} of ${max} CPUs free${needs(vcpus > 1, `${vcpus}`)}`);
}

/** Of a line for places, which nobody passes by: all of it waits for what the first one lacks. */
export function lacksOfPlaces(
  line: readonly (Waiter & { readonly needMiB: number })[],
  room: PlaceRoom,
): Lack[] {
  const [first] = line;
  if (first === undefined) return [];
  if (room.live >= room.vmsMax) {
    return lacksOf(line, 'vms', () => `${room.live} of ${room.vmsMax} VMs, and one has to end first`);
  }
  if (room.usedMiB + first.needMiB <= room.memoryMiB) {
    return lacksOf(line, 'starts', () => `${room.starting} of ${room.startsMax} starts of VMs under way`);
  }
  const leftMiB = Math.max(0, Math.round(room.memoryMiB - room.usedMiB));
  const ofAll = `${leftMiB} of ${Math.max(0, Math.round(room.memoryMiB))} MiB left for VMs`;
  return lacksOf(line, 'memory', ({ needMiB }) => ofAll + needs(true, `${needMiB} MiB with its VMM`));
}

function lacksOf<W extends Waiter>(line: readonly W[], what: LackedPart, has: (waiter: W) => string): Lack[] {
  return line.flatMap((waiter, before) => {
    const { purpose } = waiter;
    return purpose === undefined ? [] : [{ purpose, what, text: has(waiter) + behind(before) }];
  });
}

function needs(isTold: boolean, amount: string): string {
  return isTold ? ` and the job needs ${amount}` : '';
}

function behind(before: number): string {
  if (before === 0) return '';
  return before === 1 ? '; 1 job waits before it' : `; ${before} jobs wait before it`;
}
