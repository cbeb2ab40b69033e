/** Makes a guest one of its own, before any user's code runs in it. */
import { type GuestIdentity, guestEntropyBytes } from '../contract/guest.ts';
import type { Clock } from '../platform/clock.ts';
import type { Random } from '../platform/random.ts';
import type { GuestSession } from './guest-session.ts';

/** A guest whose answer took longer may be that much late; it is told the time again. */
const clockErrorMsMax = 40;
const tries = 3;

/** What identities are made from. */
export interface IdentityDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** Gives the guest the time, fresh entropy and names of its own. Rejects as `GuestSession.resume` does. */
export async function giveIdentity(
  session: GuestSession,
  vmId: string,
  deps: IdentityDeps,
  timeoutMs: number,
): Promise<void> {
  for (let tried = 1; ; tried++) {
    const sentMs = deps.clock.monotonicMs();
    await session.resume(makeIdentity(vmId, deps), timeoutMs);
    if (tried === tries || deps.clock.monotonicMs() - sentMs <= clockErrorMsMax) return;
  }
}

function makeIdentity(vmId: string, { clock, random }: IdentityDeps): GuestIdentity {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const boot = hex(random.bytes(16));
  const groups = [boot.slice(0, 8), boot.slice(8, 12), `4${boot.slice(13, 16)}`, `8${boot.slice(17, 20)}`];
  return {
    nowMs: clock.nowMs(),
    entropy: random.bytes(guestEntropyBytes),
    // The end of a UUID version 7 is its random part.
    hostName: `blixard-${vmId.slice(-12)}`,
    machineId: hex(random.bytes(16)),
    bootId: [...groups, boot.slice(20)].join('-'),
  };
}
