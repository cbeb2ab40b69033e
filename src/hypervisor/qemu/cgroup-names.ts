/** Names of cgroups: each tells who made it, so that a later worker knows which of them nobody owns any more. */
import { readlinkSync } from 'node:fs';
import type { ProcessIdentity } from '../hypervisor.ts';
import { identify, isRunning, undefinedIfGone } from '../process-table.ts';

/** A process of the host; pids are told apart by the namespace they are of. */
export interface CgroupOwner extends ProcessIdentity {
  readonly namespace: number;
}

/** `for` is the id of a VM, or whatever makes a trial differ from others. */
interface CgroupName {
  readonly use: 'vm' | 'trial';
  readonly for: string;
  readonly owner: CgroupOwner | undefined;
}

/** Of an earlier version there are names without an owner. */
const form = /^blixard-(vm|trial)-(?:(\d+)\.(\d+)\.(\d+)-)?(.+)$/;

/** This process; undefined where /proc does not tell: then its cgroups are found by the ids of their VMs only. */
export function thisOwner(): CgroupOwner | undefined {
  const identity = identify(process.pid);
  const namespace = namespaceOfPids();
  return identity === undefined || namespace === undefined ? undefined : { ...identity, namespace };
}

export function cgroupName(use: CgroupName['use'], what: string, owner: CgroupOwner | undefined): string {
  const who = owner === undefined ? '' : `${owner.namespace}.${owner.pid}.${owner.startTicks}-`;
  return `blixard-${use}-${who}${what}`;
}

/** Undefined: it is none of ours. */
export function parseCgroupName(name: string): CgroupName | undefined {
  const [, use, namespace, pid, startTicks, what] = form.exec(name) ?? [];
  if ((use !== 'vm' && use !== 'trial') || what === undefined) return undefined;
  const numbers = { namespace: Number(namespace), pid: Number(pid), startTicks: Number(startTicks) };
  return { use, for: what, owner: namespace === undefined ? undefined : numbers };
}

/** Certain only where a process of its pid can be seen from here; an owner that cannot be found out may live. */
export function isDead(owner: CgroupOwner | undefined): boolean {
  return owner !== undefined && owner.namespace === namespaceOfPids() && !isRunning(owner);
}

function namespaceOfPids(): number | undefined {
  try {
    const [, number] = /^pid:\[(\d+)\]$/.exec(readlinkSync('/proc/self/ns/pid')) ?? [];
    return number === undefined ? undefined : Number(number);
  } catch (error) {
    return undefinedIfGone(error);
  }
}
