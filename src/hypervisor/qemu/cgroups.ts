/** A cgroup for each VMM, version 1 or 2, where the host lets this process make some: bounds what it may use. */
import { mkdir, mkdtemp, readdir, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { problemOf } from '../../domain/errors.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import { readTextIfThere } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import { type Hierarchy, hierarchiesOf } from './cgroup-mounts.ts';
import { type CgroupOwner, cgroupName, isDead, parseCgroupName, thisOwner } from './cgroup-names.ts';

/** What a VMM may use. */
export interface CgroupBounds {
  readonly memoryBytes: number;
  readonly processes: number;
}

/** Where cgroups are made, and which bounds they can hold. */
export interface CgroupPlaces {
  readonly version: 'v1' | 'v2';
  /** Folders in which this process may make cgroups, each for some of the bounds. */
  readonly places: readonly { readonly dir: string; readonly controllers: readonly Controller[] }[];
}

type Controller = 'memory' | 'pids';
const controllers: readonly Controller[] = ['memory', 'pids'];
const boundFile = {
  v1: { memory: 'memory.limit_in_bytes', pids: 'pids.max' },
  v2: { memory: 'memory.max', pids: 'pids.max' },
} as const;

/** The kernel takes its time to see that a killed process is gone. */
const removeTries = 50;
const removeEveryMs = 10;

/** Finds out where cgroups can be made, by making one; else why not. Tests look at files elsewhere. */
export async function findCgroups(
  proc: { mountinfoPath: string; cgroupPath: string } = {
    mountinfoPath: '/proc/self/mountinfo',
    cgroupPath: '/proc/self/cgroup',
  },
): Promise<CgroupPlaces | { readonly missing: string }> {
  const mounts = (await readTextIfThere(proc.mountinfoPath)) ?? '';
  const memberships = (await readTextIfThere(proc.cgroupPath)) ?? '';
  const hierarchies = hierarchiesOf(mounts, memberships, controllers);
  if (hierarchies.length === 0) return { missing: 'no cgroups are mounted' };
  const why: string[] = [];
  for (const version of ['v2', 'v1'] as const) {
    const found = [];
    for (const hierarchy of hierarchies.filter((one) => one.version === version)) {
      const place = version === 'v1' ? await tryV1(hierarchy) : await tryV2(hierarchy);
      if ('missing' in place) why.push(place.missing);
      else found.push(place);
    }
    if (found.some((place) => place.controllers.includes('memory'))) return { version, places: found };
  }
  return { missing: why.join('; ') };
}

type Place = CgroupPlaces['places'][number] | { readonly missing: string };

async function tryV1({ dir, controllers: known }: Hierarchy): Promise<Place> {
  const problem = await problemOfTrial(dir);
  const usable = controllers.filter((one) => known.includes(one));
  return problem === undefined ? { dir, controllers: usable } : { missing: problem };
}

/**
 * Beside this process first: a cgroup that holds processes cannot give bounds to those below it. A service that
 * systemd delegates, with a group of its own for the worker, has such a place.
 */
async function tryV2({ dir, root }: Hierarchy): Promise<Place> {
  const why: string[] = [];
  for (const place of new Set([dir === root ? dir : dirname(dir), dir])) {
    const offered = await wordsIn(join(place, 'cgroup.controllers'));
    const wanted = controllers.filter((one) => offered.includes(one));
    if (!wanted.includes('memory')) {
      why.push(`${place} has no memory controller`);
      continue;
    }
    const problem = (await problemOfPassingOn(place, wanted)) ?? (await problemOfTrial(place));
    if (problem === undefined) return { dir: place, controllers: wanted };
    why.push(problem);
  }
  return { missing: why.join('; ') };
}

async function problemOfPassingOn(dir: string, wanted: readonly Controller[]): Promise<string | undefined> {
  const file = join(dir, 'cgroup.subtree_control');
  const on = await wordsIn(file);
  const off = wanted.filter((one) => !on.includes(one));
  if (off.length === 0) return undefined;
  return await problemWith(() => writeFile(file, off.map((one) => `+${one}`).join(' ')));
}

async function problemOfTrial(dir: string): Promise<string | undefined> {
  return await problemWith(async () => {
    await rmdir(await mkdtemp(join(dir, cgroupName('trial', '', thisOwner()))));
  });
}

async function problemWith(act: () => Promise<void>): Promise<string | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return problemOf(error);
  }
}

async function wordsIn(file: string): Promise<readonly string[]> {
  return ((await readTextIfThere(file)) ?? '').split(/\s+/);
}

interface CgroupsDeps {
  readonly places: CgroupPlaces;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: this process. */
  readonly owner?: CgroupOwner;
}

/** The cgroups of the VMMs of one worker, by the id of their VM. */
export class Cgroups {
  readonly #deps: CgroupsDeps;
  readonly #owner: CgroupOwner | undefined;
  /** Those that were still in use when they should have gone. */
  readonly #left = new Set<string>();

  constructor(deps: CgroupsDeps) {
    this.#deps = deps;
    this.#owner = deps.owner ?? thisOwner();
  }

  /** Makes them with these bounds. Resolves with the files that a process writes its pid to, to be held by them. */
  async make(vmId: string, bounds: CgroupBounds): Promise<readonly string[]> {
    const { version, places } = this.#deps.places;
    const bound = { memory: bounds.memoryBytes, pids: bounds.processes };
    await Promise.all(
      places.map(async ({ dir, controllers: held }) => {
        const group = this.#groupIn(dir, vmId);
        await mkdir(group, { recursive: true });
        await Promise.all(
          held.map((one) => writeFile(join(group, boundFile[version][one]), `${bound[one]}`)),
        );
      }),
    );
    return places.map(({ dir }) => join(this.#groupIn(dir, vmId), 'cgroup.procs'));
  }

  /** Removes those of a VM whose VMM has ended, and what an earlier call could not; none is fine. Never rejects. */
  async remove(vmId: string): Promise<void> {
    for (const { dir } of this.#deps.places.places) this.#left.add(this.#groupIn(dir, vmId));
    await this.removeLeft();
  }

  /** Tries again what an earlier call could not remove. Never rejects. */
  async removeLeft(): Promise<void> {
    await Promise.all([...this.#left].map((group) => this.#removeOne(group)));
  }

  /**
   * Removes what earlier workers left: those of these VMs, whose VMMs have ended, and all whose worker lives no more,
   * unless something is still in them. Those of another worker that lives stay. Never rejects.
   */
  async sweep(vmIds: readonly string[]): Promise<void> {
    const ids = new Set(vmIds);
    for (const { dir } of this.#deps.places.places) {
      for (const name of await this.#namesIn(dir)) {
        const parts = parseCgroupName(name);
        if (parts?.use === 'vm' && ids.has(parts.for)) this.#left.add(join(dir, name));
        else if (isDead(parts?.owner)) await this.#removeIfEmpty(join(dir, name));
      }
    }
    await this.removeLeft();
  }

  #groupIn(dir: string, vmId: string): string {
    return join(dir, cgroupName('vm', vmId, this.#owner));
  }

  async #namesIn(dir: string): Promise<readonly string[]> {
    try {
      return await readdir(dir);
    } catch (error) {
      this.#deps.log.warn({ err: error, dir }, 'cgroups that earlier workers left could not be looked for');
      return [];
    }
  }

  async #removeIfEmpty(group: string): Promise<void> {
    try {
      await rmdir(group);
      this.#deps.log.info({ group }, 'removed a cgroup whose worker lives no more');
    } catch (error) {
      this.#deps.log.debug({ err: error, group }, 'a cgroup whose worker lives no more stays for now');
    }
  }

  async #removeOne(group: string): Promise<void> {
    const { clock, log } = this.#deps;
    for (let tries = 1; ; tries++) {
      try {
        await rmdir(group);
        break;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') break;
        if (code !== 'EBUSY' || tries >= removeTries) {
          log.warn({ err: error, group }, 'a cgroup could not be removed, it is tried again');
          return;
        }
      }
      await sleep(clock, removeEveryMs);
    }
    this.#left.delete(group);
  }
}
