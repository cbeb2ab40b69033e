/** Has a guest go the whole way of a job before it gets one, so that the job finds all it needs at hand. */
import { constants } from 'node:os';
import { type ExecSpec, guestTasks } from '../contract/guest.ts';
import { BlixardError } from '../domain/errors.ts';
import type { GuestIo, GuestSession } from './guest-session.ts';
import { rehearseZygote } from './zygote-start.ts';
import type { Zygote } from './zygotes.ts';

/** What a rehearsal asks of a guest. */
export type RehearsalGuest = Pick<GuestSession, 'exec' | 'task'>;

const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'];
/** Above the run directories of jobs: there is none yet, and there is none of the rehearsal afterwards. */
const folder = '/run/blixard';
const runDir = `${folder}/rehearsal`;
const noProgram = 127;

/** The way of commands that a shell starts. Programs that are not there do no harm. */
const shell = command(['sh', '-c', 'env true']);
const remove = command(['rm', '-rf', folder]);

/**
 * Shell, loader and C library, the interpreters named, then run directory, command and collection as around a job.
 * Nothing of it is left. Rejects with VM_CRASHED and others: then the guest is not fit for use.
 */
export async function rehearse(guest: RehearsalGuest, zygotes: readonly Zygote[]): Promise<void> {
  await guest.exec(shell, silent()).exited;
  for (const zygote of zygotes) await rehearseZygote(guest, zygote);
  // An image without it could not be cleaned up afterwards.
  if ((await codeOf(guest, remove)) === noProgram) return;
  const watch = guest.task(inRunDir(guestTasks.watch()), silent());
  await guest.exec(command(['true']), silent()).exited;
  watch.signal(constants.signals.SIGTERM);
  await Promise.all([watch.exited, guest.task(inRunDir(guestTasks.collect([])), silent()).exited]);
  const code = await codeOf(guest, remove);
  if (code === 0) return;
  throw new BlixardError('VM_CRASHED', { problem: `rm ended with ${code} after its rehearsal` });
}

async function codeOf(guest: RehearsalGuest, spec: ExecSpec): Promise<number> {
  return (await guest.exec(spec, silent()).exited).code;
}

function command(argv: readonly string[]): ExecSpec {
  return { argv, env, cwd: '/', uid: 0 };
}

function inRunDir(argv: readonly string[]): ExecSpec {
  return { argv, env: [], cwd: runDir, uid: 0 };
}

function silent(): GuestIo {
  return { stdin: new Uint8Array(), output: async () => undefined };
}
