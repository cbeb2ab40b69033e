/** Kernel and initramfs of an image: those of another image here that has the same, else made anew. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isBlixardError } from '../domain/errors.ts';
import { buildAgent } from './agent-build.ts';
import type { Apt } from './apt.ts';
import { addBlob } from './blobs.ts';
import type { BuildProgress } from './build-progress.ts';
import { ImageStore } from './image-store.ts';
import { buildInitrd } from './initrd.ts';
import { fetchKernel } from './kernel.ts';
import type { BlobRef } from './manifest.ts';
import { everyImage } from './recipe.ts';
import { listTags, readManifest } from './tags.ts';

/** What a VM boots from before it has a root file system. */
export interface BootParts {
  readonly kernel: BlobRef;
  readonly initrd: BlobRef;
  /** As `uname -r` says in the guest. */
  readonly release: string;
}

/** What kernel and initramfs are made from, as one digest. */
export async function digestOfBoot(agentSourceDir: string): Promise<string> {
  const { version, kernelPackage, modules, timeSeconds } = everyImage;
  const hash = createHash('sha256').update(JSON.stringify({ version, kernelPackage, modules, timeSeconds }));
  for (const entry of (await readdir(agentSourceDir, { withFileTypes: true })).sort(byName)) {
    if (!entry.isFile()) continue;
    const contents = await readFile(join(agentSourceDir, entry.name));
    hash.update(`\n${entry.name} ${contents.length}\n`).update(contents);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** Kernel and initramfs as blobs of `dir`. The kernel is the newest when they are made anew. */
export async function bootParts(deps: {
  readonly dir: string;
  readonly digest: string;
  readonly agentSourceDir: string;
  readonly workDir: string;
  readonly apt: Apt;
  readonly progress: BuildProgress;
}): Promise<BootParts> {
  return (await findParts(deps.dir, deps.digest)) ?? (await makeParts(deps));
}

async function findParts(dir: string, digest: string): Promise<BootParts | undefined> {
  const images = new ImageStore({ dir });
  for (const { name, tag } of await listTags(dir)) {
    try {
      const image = await images.find(`${name}:${tag}`);
      if (image?.labels['boot'] !== digest) continue;
      const { kernel, initrd } = (await readManifest(dir, image.digest)).manifest;
      return { kernel, initrd, release: image.labels['kernel'] ?? '' };
    } catch (error) {
      // Nothing is taken from a damaged image.
      if (!isBlixardError(error, 'IMAGE_INVALID')) throw error;
    }
  }
  return undefined;
}

async function makeParts({
  dir,
  agentSourceDir: sourceDir,
  workDir,
  apt,
  progress,
}: Parameters<typeof bootParts>[0]): Promise<BootParts> {
  const agentPath = join(workDir, 'agent');
  const outFile = join(workDir, 'initrd.cpio');
  progress.step('Compiling the guest agent');
  await buildAgent({ sourceDir, outFile: agentPath });
  progress.step('Fetching the guest kernel');
  const { path, release, modulePaths } = await fetchKernel(apt, workDir);
  progress.step('Packing the initial file system');
  await buildInitrd({ agentPath, modulePaths, workDir, outFile });
  return { kernel: await addBlob(dir, path), initrd: await addBlob(dir, outFile), release };
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}
