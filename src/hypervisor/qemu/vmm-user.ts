/** The unprivileged user that a VMM runs as, where this process may choose one. */
import { stat } from 'node:fs/promises';
import { readTextIfThere } from '../../platform/files.ts';

/** Ids on the host. */
export interface VmmUser {
  readonly uid: number;
  /** Of all VMMs, so that they may share the memory of a template. */
  readonly gid: number;
  /** What it needs besides: the group of /dev/kvm. */
  readonly groups: readonly number[];
  /** False when others may run as the same user. */
  readonly isAlone: boolean;
}

/** Who a VMM becomes in its sandbox; `ownNamespace`: and then leaves the host's user namespace for one of its own. */
export type Becoming = VmmUser & { readonly ownNamespace: boolean };

/** Gives each VM its user; undefined where VMMs run as this process does. */
export type VmmUsers = (vmId: string) => VmmUser;

/** Ids that no system hands out, see systemd's UIDS-GIDS: the group of all VMMs, then a user for each. */
const idsFrom = 0x7000_0000;
const idsCount = 0x0100_0000;
/** Where a container has not that many. */
const nobody = 65_534;

/** Users for VMMs under root; undefined, and why, when there can be none. */
export async function usersForVmms(host: {
  readonly isRoot: boolean;
  readonly needsKvm: boolean;
  /** Tests look elsewhere. */
  readonly uidMapPath?: string;
  readonly kvmPath?: string;
}): Promise<VmmUsers | { readonly none: string }> {
  if (!host.isRoot) return { none: 'the user of this process' };
  const kvm = host.needsKvm ? await kvmGroups(host.kvmPath ?? '/dev/kvm') : [];
  if (kvm === undefined) return { none: 'root without its rights, since /dev/kvm is for root alone' };
  const map = (await readTextIfThere(host.uidMapPath ?? '/proc/self/uid_map')) ?? '';
  if (!hasIds(map)) {
    return () => ({ uid: nobody, gid: nobody, groups: kvm, isAlone: false });
  }
  return (vmId) => ({ uid: idsFrom + 1 + numberOf(vmId), gid: idsFrom, groups: kvm, isAlone: true });
}

/** The groups that may use it; undefined when only root may. */
async function kvmGroups(path: string): Promise<readonly number[] | undefined> {
  const { mode, gid } = await stat(path);
  if ((mode & 0o006) === 0o006) return [];
  return (mode & 0o060) === 0o060 && gid !== 0 ? [gid] : undefined;
}

/** Two VMs with the same number are one in millions, and do no harm: each is in namespaces of its own. */
function numberOf(vmId: string): number {
  const digits = Number.parseInt(vmId.replaceAll('-', '').slice(-8), 16);
  return (Number.isNaN(digits) ? 0 : digits) % (idsCount - 1);
}

/** Whether the ids are there, in lines of `first inside, first outside, count`. */
function hasIds(uidMap: string): boolean {
  return uidMap.split('\n').some((line) => {
    const [first = Number.NaN, , count = 0] = line.trim().split(/\s+/).map(Number);
    return first <= idsFrom && idsFrom + idsCount <= first + count;
  });
}
