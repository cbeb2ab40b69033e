/** Starts the zygotes of a guest whose clones will use them. */
import { guestTasks } from '../contract/guest.ts';
import { BlixardError, isBlixardError } from '../domain/errors.ts';
import type { GuestSession } from './guest-session.ts';
import { giveIdentity, type IdentityDeps } from './identity.ts';
import { type Zygote, zygotesGuestDir } from './zygotes.ts';

/**
 * 2000-01-01. Libraries for cryptography make their random numbers anew when an hour has passed: the clones, which are
 * given the time of today before anything runs in them, must not go on with those of the template.
 */
const longAgoMs = 946_684_800_000;

/** Resolves when it waits for a command. Rejects with GUEST_REFUSED, VM_CRASHED, VM_BOOT_FAILED. */
export async function startZygote(
  session: GuestSession,
  vmId: string,
  { file, bytes, start }: Zygote,
  { clock, random }: IdentityDeps,
  timeoutMs: number,
): Promise<void> {
  const root = { env: [], cwd: '/', uid: 0 };
  const path = `${zygotesGuestDir}/${file}`;
  await finish(session, { ...root, argv: guestTasks.put(0, path) }, bytes);
  const past = {
    nowMs: () => longAgoMs,
    monotonicMs: () => clock.monotonicMs(),
    after: clock.after.bind(clock),
  };
  await giveIdentity(session, vmId, { clock: past, random }, timeoutMs);
  await finish(session, { ...start, argv: guestTasks.zygote(start.argv) });
}

/**
 * Starts one more interpreter and hands a command of no consequence over to it: what is translated and mapped on the
 * way of a command, from its start to its end, is there for that of a job. Without a zygote it is started plainly.
 */
export async function rehearseZygote(
  session: Pick<GuestSession, 'exec' | 'task'>,
  { start, warmUp }: Zygote,
): Promise<void> {
  await finish(session, { ...start, argv: guestTasks.rehearsal(start.argv) }).catch((error: unknown) => {
    if (!isBlixardError(error, 'GUEST_REFUSED')) throw error;
  });
  await session.exec(warmUp, { stdin: new Uint8Array(), output: async () => undefined }).exited;
}

async function finish(
  session: Pick<GuestSession, 'task'>,
  spec: Zygote['start'],
  stdin: Uint8Array = new Uint8Array(),
): Promise<void> {
  const words: Buffer[] = [];
  const output = async (_: string, data: Buffer): Promise<void> => {
    words.splice(0, words.length, data);
  };
  const { code, signal } = await session.task(spec, { stdin, output }).exited;
  if (code === 0) return;
  const problem = `${spec.argv.slice(0, 2).join(' ')}: exit ${code}, signal ${signal}: ${Buffer.concat(words)}`;
  throw new BlixardError('GUEST_REFUSED', { problem });
}
