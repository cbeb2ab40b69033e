/** Builds the `base` image, or finds that one of the same inputs is there. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isBlixardError, problemOf } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { buildAgent } from './agent-build.ts';
import { Apt } from './apt.ts';
import { addBlob, writeByWayOf } from './blobs.ts';
import { takeBuildLock } from './build-lock.ts';
import { type Image, ImageStore, tagPath } from './image-store.ts';
import { buildInitrd } from './initrd.ts';
import { fetchKernel } from './kernel.ts';
import { encodeManifest } from './manifest.ts';
import { recipe } from './recipe.ts';
import { buildRoot } from './rootfs.ts';
import { buildFailed } from './run-program.ts';

/** Told of each long step before it starts. */
export interface BuildProgress {
  step(title: string): void;
}

export interface BuildDeps {
  /** The image folder; made if it is not there. */
  readonly dir: string;
  readonly agentSourceDir: string;
  readonly progress: BuildProgress;
  readonly clock: Clock;
}

const name = 'base';
const tag = 'latest';
/** After this long without the lock, the user is told what is waited for. */
const tellWaitingMs = 500;

/**
 * The base image, built if there is none of the same inputs (recipe and agent sources); else at once and without
 * network. A kill at any moment leaves the old image or the new one. Rejects with IMAGE_BUILD_FAILED.
 */
export async function buildBaseImage(deps: BuildDeps): Promise<Image> {
  try {
    return await findOrBuild(deps);
  } catch (error) {
    // A full disk, a folder that may not be written.
    throw isBlixardError(error) ? error : buildFailed(problemOf(error), error);
  }
}

async function findOrBuild(deps: BuildDeps): Promise<Image> {
  const inputs = await digestOfInputs(deps.agentSourceDir);
  const ready = await findBuilt(deps.dir, inputs);
  if (ready !== undefined) return ready;
  await mkdir(deps.dir, { recursive: true });
  const lock = await lockTellingWhenItWaits(deps);
  try {
    return (await findBuilt(deps.dir, inputs)) ?? (await buildInNewFolder(deps, inputs));
  } finally {
    await lock.release();
  }
}

async function lockTellingWhenItWaits({ dir, clock, progress }: BuildDeps) {
  const timer = clock.after(tellWaitingMs, () =>
    progress.step('Waiting for another build of the base image'),
  );
  try {
    return await takeBuildLock(join(dir, 'build.lock'));
  } finally {
    timer.cancel();
  }
}

async function findBuilt(dir: string, inputs: string): Promise<Image | undefined> {
  try {
    const image = await new ImageStore({ dir }).find(`${name}:${tag}`);
    return image?.labels['inputs'] === inputs ? image : undefined;
  } catch (error) {
    // A damaged image is built anew.
    if (isBlixardError(error, 'IMAGE_INVALID')) return undefined;
    throw error;
  }
}

/** The lock is held, so whatever is in the folder of builds was left by one that was killed. */
async function buildInNewFolder(deps: BuildDeps, inputs: string): Promise<Image> {
  const buildsDir = join(deps.dir, 'building');
  await removeEvenWhileWritten(buildsDir);
  await mkdir(buildsDir);
  const workDir = await mkdtemp(join(buildsDir, 'base-'));
  try {
    await build(deps, workDir, inputs);
  } finally {
    await removeEvenWhileWritten(workDir);
  }
  const image = await findBuilt(deps.dir, inputs);
  if (image === undefined) throw buildFailed(`it is not in ${deps.dir} after its build`);
  return image;
}

async function build(deps: BuildDeps, workDir: string, inputs: string): Promise<void> {
  const { dir, progress } = deps;
  const apt = new Apt({ cacheDir: join(dir, 'cache', 'packages'), workDir });
  const path = (part: string): string => join(workDir, part);

  progress.step('Compiling the guest agent');
  await buildAgent({ sourceDir: deps.agentSourceDir, outFile: path('agent') });
  progress.step('Fetching the guest kernel');
  const kernel = await fetchKernel(apt, workDir);
  progress.step('Packing the initial file system');
  const { modulePaths } = kernel;
  await buildInitrd({ agentPath: path('agent'), modulePaths, workDir, outFile: path('initrd.cpio') });
  progress.step('Building the root file system from Debian packages');
  await buildRoot(apt, workDir, path('root.squashfs'));

  const manifest = encodeManifest({
    formatVersion: 1,
    kernel: await addBlob(dir, kernel.path),
    initrd: await addBlob(dir, path('initrd.cpio')),
    root: await addBlob(dir, path('root.squashfs')),
    rootFsType: recipe.rootFsType,
    labels: { inputs, kernel: kernel.release },
  });
  await writeFile(path('manifest.json'), manifest);
  const { digest } = await addBlob(dir, path('manifest.json'));
  await writeByWayOf(path('tag'), tagPath(dir, name, tag), `${digest}\n`);
}

/** Recipe and agent sources. The kernel is the newest at build time: a newer one alone does not ask for network. */
async function digestOfInputs(agentSourceDir: string): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(recipe));
  for (const entry of (await readdir(agentSourceDir, { withFileTypes: true })).sort(byName)) {
    if (!entry.isFile()) continue;
    const contents = await readFile(join(agentSourceDir, entry.name));
    hash.update(`\n${entry.name} ${contents.length}\n`).update(contents);
  }
  return `sha256:${hash.digest('hex')}`;
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** A program of a killed build may write for a moment more. */
async function removeEvenWhileWritten(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 10 });
}
