/** Builds an image, or finds that one of the same inputs has its name already. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isBlixardError, problemOf } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { buildAgent } from './agent-build.ts';
import { Apt } from './apt.ts';
import { addBlob, writeByWayOf } from './blobs.ts';
import { takeBuildLock } from './build-lock.ts';
import type { BuildProgress } from './build-progress.ts';
import type { ImageOrder } from './image-order.ts';
import { type Image, ImageStore, tagPath } from './image-store.ts';
import { buildInitrd } from './initrd.ts';
import { fetchKernel } from './kernel.ts';
import { encodeManifest } from './manifest.ts';
import { type HostNode, hostNode } from './node-binary.ts';
import { everyImage } from './recipe.ts';
import { buildRoot } from './rootfs.ts';
import { buildFailed, failedBuild } from './run-program.ts';

export interface BuildDeps {
  /** The image folder; made if it is not there. */
  readonly dir: string;
  readonly agentSourceDir: string;
  readonly progress: BuildProgress;
  readonly clock: Clock;
}

/** After this long without the lock, the user is told what is waited for. */
const tellWaitingMs = 500;

/** What an image is made of; it decides which bytes come out. */
interface Inputs {
  readonly order: ImageOrder;
  readonly node: HostNode | undefined;
  readonly digest: string;
}

/**
 * The image of this order, built if the one of its name has other inputs (recipe, packages, agent sources, Node.js);
 * else at once and without network. A kill at any moment leaves the old image or the new one. Rejects with
 * IMAGE_BUILD_FAILED.
 */
export async function buildImage(deps: BuildDeps, order: ImageOrder): Promise<Image> {
  try {
    return await findOrBuild(deps, order);
  } catch (error) {
    const what = `the image ${order.name}:${order.tag}`;
    if (!isBlixardError(error)) throw failedBuild(what, problemOf(error), error);
    if (!isBlixardError(error, 'IMAGE_BUILD_FAILED')) throw error;
    throw failedBuild(what, String(error.details['problem']), error.cause);
  }
}

async function findOrBuild(deps: BuildDeps, order: ImageOrder): Promise<Image> {
  const inputs = await inputsOf(deps.agentSourceDir, order);
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

/** The lock on all changes of an image folder. */
async function lockTellingWhenItWaits({ dir, clock, progress }: Omit<BuildDeps, 'agentSourceDir'>) {
  const timer = clock.after(tellWaitingMs, () => progress.step('Waiting for another build of an image'));
  try {
    return await takeBuildLock(join(dir, 'build.lock'));
  } finally {
    timer.cancel();
  }
}

async function findBuilt(dir: string, { order, digest }: Inputs): Promise<Image | undefined> {
  try {
    const image = await new ImageStore({ dir }).find(`${order.name}:${order.tag}`);
    return image?.labels['inputs'] === digest ? image : undefined;
  } catch (error) {
    // A damaged image is built anew.
    if (isBlixardError(error, 'IMAGE_INVALID')) return undefined;
    throw error;
  }
}

/** The lock is held, so whatever is in the folder of builds was left by one that was killed. */
async function buildInNewFolder(deps: BuildDeps, inputs: Inputs): Promise<Image> {
  const buildsDir = join(deps.dir, 'building');
  await removeEvenWhileWritten(buildsDir);
  await mkdir(buildsDir);
  const workDir = await mkdtemp(join(buildsDir, 'image-'));
  try {
    await build(deps, workDir, inputs);
  } finally {
    await removeEvenWhileWritten(workDir);
  }
  const image = await findBuilt(deps.dir, inputs);
  if (image === undefined) throw buildFailed(`it is not in ${deps.dir} after its build`);
  return image;
}

async function build(deps: BuildDeps, workDir: string, inputs: Inputs): Promise<void> {
  const { dir, progress } = deps;
  const { order, node } = inputs;
  const apt = new Apt({ cacheDir: join(dir, 'cache', 'packages'), workDir });
  const path = (part: string): string => join(workDir, part);

  progress.step('Compiling the guest agent');
  await buildAgent({ sourceDir: deps.agentSourceDir, outFile: path('agent') });
  progress.step('Fetching the guest kernel');
  const kernel = await fetchKernel(apt, workDir);
  progress.step('Packing the initial file system');
  const { modulePaths } = kernel;
  await buildInitrd({ agentPath: path('agent'), modulePaths, workDir, outFile: path('initrd.cpio') });
  await buildRoot({ apt, workDir, outFile: path('root.squashfs'), order, node, progress });

  const manifest = encodeManifest({
    formatVersion: 1,
    kernel: await addBlob(dir, kernel.path),
    initrd: await addBlob(dir, path('initrd.cpio')),
    root: await addBlob(dir, path('root.squashfs')),
    rootFsType: everyImage.rootFsType,
    labels: {
      inputs: inputs.digest,
      kernel: kernel.release,
      recipe: order.recipe,
      packages: order.packages.join(' '),
      ...(node === undefined ? {} : { node: node.version }),
    },
  });
  await writeFile(path('manifest.json'), manifest);
  const { digest } = await addBlob(dir, path('manifest.json'));
  await writeByWayOf(path('tag'), tagPath(dir, order.name, order.tag), `${digest}\n`);
}

/** What is asked for. Kernel and packages are the newest at build time: newer ones alone do not ask for network. */
async function inputsOf(agentSourceDir: string, order: ImageOrder): Promise<Inputs> {
  const { recipe, packages, hasNode } = order;
  const node = hasNode ? await hostNode() : undefined;
  const asked = { ...everyImage, rootPackages: packages, recipe, node: node?.digest };
  const hash = createHash('sha256').update(JSON.stringify(asked));
  for (const entry of (await readdir(agentSourceDir, { withFileTypes: true })).sort(byName)) {
    if (!entry.isFile()) continue;
    const contents = await readFile(join(agentSourceDir, entry.name));
    hash.update(`\n${entry.name} ${contents.length}\n`).update(contents);
  }
  return { order, node, digest: `sha256:${hash.digest('hex')}` };
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** A program of a killed build may write for a moment more. */
async function removeEvenWhileWritten(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 10 });
}
