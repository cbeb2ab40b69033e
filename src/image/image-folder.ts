/** The folder of images as whoever changes it needs it: one at a time, and nothing half-made left. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { type BuildLock, takeBuildLock } from './build-lock.ts';
import type { BuildProgress } from './build-progress.ts';

/** Holds what a build makes until it is done. */
export const buildsDir = 'building';
/** Downloaded Debian packages. */
export const packagesDir = join('cache', 'packages');
/** A tag on its way to its place, and one on its way out. */
export const partOfTag = 'tag.new';
export const removedTag = 'tag.old';

/** After this long without the lock, the user is told what is waited for. */
const tellWaitingMs = 500;

/** Waits until nobody else changes the folder, which is made if need be; the user is told. */
export async function lockFolder(deps: {
  readonly dir: string;
  readonly clock: Clock;
  readonly progress: BuildProgress;
}): Promise<BuildLock> {
  const { dir, clock, progress } = deps;
  await mkdir(dir, { recursive: true });
  const timer = clock.after(tellWaitingMs, () => progress.step('Waiting for another build of an image'));
  try {
    return await takeBuildLock(join(dir, 'build.lock'));
  } finally {
    timer.cancel();
  }
}

/** Removes what a build that ended, or was killed, has left; to be called with the lock held. */
export async function clearBuilds(dir: string): Promise<void> {
  // A program of a killed build may write for a moment more.
  await rm(join(dir, buildsDir), { recursive: true, force: true, maxRetries: 10 });
  for (const part of [partOfTag, removedTag]) await rm(join(dir, part), { force: true });
  await mkdir(join(dir, buildsDir));
}
