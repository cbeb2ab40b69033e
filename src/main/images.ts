/** Images of this host for the CLI. */
import type { ImageLine } from '../cli/context.ts';
import { BlixardError } from '../domain/errors.ts';
import { buildBaseImage } from '../image/build-base.ts';
import { type Image, ImageStore } from '../image/image-store.ts';
import type { Clock } from '../platform/clock.ts';
import { agentSourceDir } from './paths.ts';

/** All images in the folder `dir`. */
export async function listImages(dir: string): Promise<readonly ImageLine[]> {
  return (await new ImageStore({ dir }).list()).map(lineOf);
}

/** Rejects with USAGE for a name without a recipe, with IMAGE_BUILD_FAILED when the build fails. */
export async function buildImage(
  deps: { readonly dir: string; readonly clock: Clock; readonly step: (title: string) => void },
  name: string,
): Promise<ImageLine> {
  if (name !== 'base') {
    throw new BlixardError('USAGE', { problem: `there is no recipe for the image ${name}; there is: base` });
  }
  const { dir, clock, step } = deps;
  return lineOf(await buildBaseImage({ dir, agentSourceDir, progress: { step }, clock }));
}

function lineOf({ name, tag, digest, bytes, builtAtMs }: Image): ImageLine {
  return { name, tag, digest, bytes, builtAtMs };
}
