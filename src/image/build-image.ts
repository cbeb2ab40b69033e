/** Builds an image, or finds that one of the same inputs has its name already. */
import { createHash } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isBlixardError, problemOf } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { Apt } from './apt.ts';
import { addBlob, writeByWayOf } from './blobs.ts';
import { bootParts, digestOfBoot } from './boot-parts.ts';
import type { BuildProgress } from './build-progress.ts';
import { buildsDir, clearBuilds, lockFolder, packagesDir, partOfTag } from './image-folder.ts';
import type { ImageOrder } from './image-order.ts';
import { type Image, ImageStore } from './image-store.ts';
import { encodeManifest, zygotesLabel } from './manifest.ts';
import { type HostNode, hostNode } from './node-binary.ts';
import { everyImage } from './recipe.ts';
import { buildRoot, refuseUnknown } from './rootfs.ts';
import { buildFailed, failedBuild } from './run-program.ts';
import { tagPath } from './tags.ts';

export interface BuildDeps {
  /** The image folder; made if it is not there. */
  readonly dir: string;
  readonly agentSourceDir: string;
  readonly progress: BuildProgress;
  readonly clock: Clock;
}

/** What an image is made of; it decides which bytes come out. */
interface Inputs {
  readonly order: ImageOrder;
  readonly node: HostNode | undefined;
  /** Of what kernel and initramfs are made from. */
  readonly boot: string;
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
  const lock = await lockFolder(deps);
  try {
    return (await findBuilt(deps.dir, inputs)) ?? (await buildInNewFolder(deps, inputs));
  } finally {
    await lock.release();
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

async function buildInNewFolder(deps: BuildDeps, inputs: Inputs): Promise<Image> {
  await clearBuilds(deps.dir);
  const workDir = await mkdtemp(join(deps.dir, buildsDir, 'image-'));
  try {
    await build(deps, workDir, inputs);
  } finally {
    await clearBuilds(deps.dir);
  }
  const image = await findBuilt(deps.dir, inputs);
  if (image === undefined) throw buildFailed(`it is not in ${deps.dir} after its build`);
  return image;
}

async function build(deps: BuildDeps, workDir: string, inputs: Inputs): Promise<void> {
  const { dir, progress } = deps;
  const { order, node } = inputs;
  const apt = new Apt({ cacheDir: join(dir, packagesDir), workDir, clock: deps.clock });
  const path = (part: string): string => join(workDir, part);
  await refuseUnknown(apt, order);
  const boot = await bootParts({ ...deps, digest: inputs.boot, workDir, apt });
  await buildRoot({ apt, workDir, outFile: path('root.squashfs'), order, node, progress });
  const manifest = encodeManifest({
    formatVersion: 1,
    kernel: boot.kernel,
    initrd: boot.initrd,
    root: await addBlob(dir, path('root.squashfs')),
    rootFsType: everyImage.rootFsType,
    labels: {
      inputs: inputs.digest,
      boot: inputs.boot,
      kernel: boot.release,
      recipe: order.recipe,
      packages: order.packages.join(' '),
      ...(node === undefined ? {} : { node: node.version }),
      [zygotesLabel]: zygotesIn(order),
    },
  });
  await writeFile(path('manifest.json'), manifest);
  const { digest } = await addBlob(dir, path('manifest.json'));
  // Moved from here, so that whoever watches this folder is told in the moment in which the image is there.
  await writeByWayOf(join(dir, partOfTag), tagPath(dir, order.name, order.tag), `${digest}\n`);
}

/** The interpreters of an image that can be zygotes. */
function zygotesIn({ packages, hasNode }: ImageOrder): string {
  return [...(packages.includes('python3') ? ['python3'] : []), ...(hasNode ? ['node'] : [])].join(' ');
}

/** What is asked for. Kernel and packages are the newest at build time: newer ones alone do not ask for network. */
async function inputsOf(agentSourceDir: string, order: ImageOrder): Promise<Inputs> {
  const { recipe, packages, hasNode } = order;
  const node = hasNode ? await hostNode() : undefined;
  const boot = await digestOfBoot(agentSourceDir);
  const asked = { ...everyImage, rootPackages: packages, recipe, node: node?.digest, boot };
  const digest = `sha256:${createHash('sha256').update(JSON.stringify(asked)).digest('hex')}`;
  return { order, node, boot, digest };
}
