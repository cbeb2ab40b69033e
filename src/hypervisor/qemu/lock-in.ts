/** Locks VMMs in: a sandbox where bubblewrap works, a user of its own, bounds of the kernel. */
import { type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { BlixardError, isBlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { type Accel, type LockIn, templateFiles, type VmSpec } from '../hypervisor.ts';
import { TailBuffer } from '../tail-buffer.ts';
import { translationMiB } from './arguments.ts';
import { Cgroups, findCgroups } from './cgroups.ts';
import { infoFd, programFoldersOf, type SandboxView, sandboxCommand, wordFd } from './sandbox.ts';
import { say } from './sandboxed-process.ts';
import { type Becoming, usersForVmms, type VmmUser } from './vmm-user.ts';

/** What an operator wants. `auto`: locked in where that works, else not, and told. */
export type SandboxWish = 'auto' | 'required' | 'off';

/** A VMM about to be started. */
export interface LockedCommand {
  /** Program and arguments that QEMU's own are put behind. */
  readonly words: readonly string[];
  readonly isSandboxed: boolean;
  /** Whose files the VMM may use; undefined: those of this process. */
  readonly user: VmmUser | undefined;
  /** Removes what was made for it, once it has ended. Never rejects. */
  readonly release: () => Promise<void>;
}

/** What locks the VMMs of one driver in. */
export interface VmmLock {
  readonly told: LockIn;
  /** Makes what the VMM of this spec needs. Rejects with VM_BOOT_FAILED. */
  prepare(spec: VmSpec, mapsReadOnly: boolean): Promise<LockedCommand>;
  /** Removes what earlier processes made for these VMs, whose VMMs have ended, and for any VM of a dead worker. */
  recover(vmIds: readonly string[]): Promise<void>;
  /** Removes what could not be removed when its VM ended. Never rejects. */
  close(): Promise<void>;
}

interface VmmLockDeps {
  readonly program: string;
  readonly wish: SandboxWish;
  readonly accel: Accel;
  readonly clock: Clock;
  readonly log: Log;
}

const mib = 1_024 ** 2;
/** Descriptors of a VMM: some thirty. */
const filesMax = 256;
/** Beside its processors a VMM has up to 64 threads for its disks, and a few more. */
const threadsBeside = 128;
/** The translation buffer, and room for the VMM itself: with less it does not die but crawls. */
const memoryBeside = (translationMiB + 160) * mib;
const answerMs = 10_000;
/** Enters its cgroups before it is anything else; what does not get in is not started. */
const enter =
  'for group; do shift; [ "$group" = -- ] && break; echo $$ >"$group" || exit 125; done; exec "$@"';

/** Finds out what can be had on this host. Rejects with the reason when the sandbox is required and does not work. */
export async function openVmmLock(deps: VmmLockDeps): Promise<VmmLock> {
  const { wish, accel, clock, log } = deps;
  const places = await findCgroups();
  const cgroups = 'missing' in places ? undefined : new Cgroups({ places, clock, log });
  const of = 'missing' in places ? [] : [...new Set(places.places.flatMap((place) => place.controllers))];
  const bounds =
    'missing' in places
      ? { cgroups: 'none' as const, cgroupsReason: places.missing }
      : { cgroups: places.version, cgroupsReason: `a cgroup for each VMM bounds its ${of.join(' and ')}` };
  const told = (sandbox: LockIn['sandbox'], sandboxReason: string): LockIn => ({
    ...{ sandbox, sandboxReason },
    ...bounds,
  });
  const open = (lock: LockIn, becomes?: Becomes) => new Lock({ ...deps, cgroups, told: lock, becomes });
  if (wish === 'off') return open(told('none', 'it was switched off (sandbox = off)'));
  let problem = '';
  for (const { who, becomes } of await waysIn(accel)) {
    const lock = open(told('bubblewrap', `it sees /usr and its own files only, as ${who}`), becomes);
    const why = await lock.problem();
    if (why === undefined) return lock;
    problem = why;
  }
  if (wish === 'required') {
    throw new BlixardError('VM_MANAGER_UNAVAILABLE', { reason: `sandbox = required, but ${problem}` });
  }
  return open(told('none', problem));
}

const namespace = 'a user namespace of its own';

/** Who the VMM of this id becomes. */
type Becomes = (vmId: string) => Becoming;

/** What VMMs may be in the sandbox, the best first; who they are, in words. */
async function waysIn(accel: Accel): Promise<readonly { who: string; becomes: Becomes | undefined }[]> {
  const isRoot = process.getuid?.() === 0;
  const users = await usersForVmms({ isRoot, needsKvm: accel === 'kvm' });
  if ('none' in users) return [{ who: `${users.none}, in ${namespace}`, becomes: undefined }];
  const by = (ownNamespace: boolean): Becomes => {
    return (vmId) => ({ ...users(vmId), ownNamespace });
  };
  return [
    { who: `a user of its own, in ${namespace}`, becomes: by(true) },
    { who: 'a user of its own (the host lets that user make no user namespace)', becomes: by(false) },
  ];
}

class Lock implements VmmLock {
  readonly told: LockIn;
  readonly #deps: VmmLockDeps & { readonly cgroups: Cgroups | undefined };
  readonly #becomes: Becomes | undefined;

  constructor({
    told,
    becomes,
    ...deps
  }: VmmLockDeps & { cgroups: Cgroups | undefined; told: LockIn; becomes: Becomes | undefined }) {
    this.#deps = deps;
    this.told = told;
    this.#becomes = becomes;
  }

  async prepare(spec: VmSpec, mapsReadOnly: boolean): Promise<LockedCommand> {
    const { cgroups } = this.#deps;
    const release = async (): Promise<void> => cgroups?.remove(spec.id);
    try {
      const user = this.#becomes?.(spec.id);
      const writable = await memoryToWrite(spec, mapsReadOnly, user);
      // Where it finds the socket that takes its state.
      if (user !== undefined && spec.template?.act === 'make') await chmod(spec.runDir, 0o711);
      const groups = await cgroups?.make(spec.id, {
        memoryBytes: spec.memoryMiB * mib + memoryBeside,
        processes: spec.vcpus + threadsBeside,
      });
      const words = [
        ...(groups === undefined ? [] : ['sh', '-c', enter, 'sh', ...groups, '--']),
        ...rlimits(spec, user),
        ...(this.#isSandboxed ? sandboxCommand(this.#view(spec, writable, mapsReadOnly), user) : []),
      ];
      return { words, isSandboxed: this.#isSandboxed, user, release };
    } catch (error) {
      await release();
      if (isBlixardError(error)) throw error;
      throw new BlixardError('VM_BOOT_FAILED', { problem: problemOf(error) }, { cause: error });
    }
  }

  async recover(vmIds: readonly string[]): Promise<void> {
    await this.#deps.cgroups?.sweep(vmIds);
  }

  async close(): Promise<void> {
    await this.#deps.cgroups?.removeLeft();
  }

  /** Why the sandbox does not work on this host: QEMU itself is asked, from within. */
  async problem(): Promise<string | undefined> {
    const { program, accel } = this.#deps;
    if ((await failureOf(['bwrap', '--version'])) !== undefined) {
      return 'bwrap is missing; install it with: apt-get install --no-install-recommends bubblewrap';
    }
    const view = {
      ...{ readOnly: [], writable: [], folder: '/usr', needsKvm: accel === 'kvm' },
      programFolders: programFoldersOf(program),
    };
    const failure = await failureOf([
      ...sandboxCommand(view, this.#becomes?.('trial')),
      program,
      '--version',
    ]);
    return failure === undefined ? undefined : `bwrap does not work on this host: ${failure}`;
  }

  get #isSandboxed(): boolean {
    return this.told.sandbox === 'bubblewrap';
  }

  #view(spec: VmSpec, writable: readonly string[], mapsReadOnly: boolean): SandboxView {
    const { program, accel } = this.#deps;
    const { kernelPath, initrdPath, rootPath, template, runDir } = spec;
    const boots = template?.act === 'start' ? [] : [kernelPath, initrdPath];
    const memory =
      template?.act === 'start' && mapsReadOnly ? [join(template.dir, templateFiles.memory)] : [];
    return {
      readOnly: [...boots, rootPath, ...memory],
      writable,
      folder: runDir,
      programFolders: programFoldersOf(program),
      needsKvm: accel === 'kvm',
    };
  }
}

/** The memory of a template is made here, so that QEMU need not be able to make files where it lies. */
async function memoryToWrite(
  { template }: VmSpec,
  mapsReadOnly: boolean,
  user: VmmUser | undefined,
): Promise<readonly string[]> {
  if (template === undefined || (template.act === 'start' && mapsReadOnly)) return [];
  const path = join(template.dir, templateFiles.memory);
  if (template.act === 'start') return [path];
  const file = await open(path, 'wx', 0o600);
  await file.close();
  if (user !== undefined) {
    await chown(path, 0, user.gid);
    await chmod(path, 0o660);
  }
  return [path];
}

/** No file grows but the memory of a template that is made. */
function rlimits({ memoryMiB, template, vcpus }: VmSpec, user: VmmUser | undefined): string[] {
  const fileBytes = template?.act === 'make' ? memoryMiB * mib : 0;
  const processes = user?.isAlone === true ? [`--nproc=${vcpus + threadsBeside}`] : [];
  return ['prlimit', '--core=0', `--nofile=${filesMax}`, `--fsize=${fileBytes}`, ...processes, '--'];
}

/** What a command says when it fails; undefined when it does not. */
async function failureOf([program = '', ...args]: readonly string[]): Promise<string | undefined> {
  // Bubblewrap must be able to tell which process it is, or it fails.
  const stdio: StdioOptions = Array.from({ length: wordFd + 1 }, (_, fd) =>
    [2, infoFd, wordFd].includes(fd) ? 'pipe' : 'ignore',
  );
  const child = spawn(program, args, { stdio, timeout: answerMs, killSignal: 'SIGKILL' });
  const words = new TailBuffer({ bytesMax: limits.vmmStderrBytes });
  child.stderr?.on('data', (chunk: Buffer) => words.push(chunk));
  const streams: readonly unknown[] = child.stdio;
  const info = streams[infoFd];
  if (info instanceof Readable) info.resume();
  say(child, '\n');
  try {
    const [code, signal] = await once(child, 'close');
    if (code === 0) return undefined;
    return words.text().trim().split('\n')[0] || `it ended with ${signal ?? code}`;
  } catch (error) {
    return problemOf(error);
  }
}
