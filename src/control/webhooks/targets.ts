/** Where webhooks may be sent: decided by the address that is really connected to, so that no name can hide it. */
import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { BlixardError } from '../../domain/errors.ts';

/**
 * `public`: public addresses only. `private`: this machine and private networks, too. `any`: also link-local
 * addresses, behind which clouds keep their metadata and credentials.
 */
export type WebhookTargets = 'public' | 'private' | 'any';

const nearby = blockList([
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['::1', 128],
  ['fc00::', 7],
]);

/** Link-local, metadata, unspecified, multicast, reserved, and IPv6 forms that hide an IPv4 address. */
const never = blockList([
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['192.0.0.0', 24],
  ['224.0.0.0', 3],
  ['::', 128],
  ['fe80::', 10],
  ['fd00:ec2::254', 128],
  ['ff00::', 8],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
]);

/** True when webhooks may be sent to this IP address. */
export function isAllowed(address: string, targets: WebhookTargets): boolean {
  if (targets === 'any') return true;
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (never.check(address, family)) return false;
  return targets === 'private' || !nearby.check(address, family);
}

/** Throws WEBHOOK_TARGET_REFUSED for a URL whose host is an IP address that is not allowed. */
export function assertTarget(url: string, targets: WebhookTargets): void {
  const address = new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (isIP(address) !== 0 && !isAllowed(address, targets)) throw refused(address, targets);
}

/** Looks a host up and gives only addresses that are allowed; refuses when there is none. */
export function guardedLookup(targets: WebhookTargets): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, found: LookupAddress[] = []) => {
      if (error !== null) return done(error, '');
      const allowed = found.filter(({ address }) => isAllowed(address, targets));
      const [first] = allowed;
      if (first === undefined) done(refused(`${host} (${found[0]?.address ?? 'no address'})`, targets), '');
      else if (options.all === true) done(null, allowed);
      else done(null, first.address, first.family);
    });
  };
}

function refused(address: string, targets: WebhookTargets): BlixardError {
  return new BlixardError('WEBHOOK_TARGET_REFUSED', { address, targets });
}

function blockList(subnets: readonly (readonly [net: string, prefix: number])[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, isIP(net) === 6 ? 'ipv6' : 'ipv4');
  return list;
}
