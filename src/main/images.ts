/** Images of this host for the CLI. */
import type { ImageLine } from '../cli/context.ts';
import { buildImage } from '../image/build-image.ts';
import { type ImageWish, imageOrder } from '../image/image-order.ts';
import { type Image, ImageStore } from '../image/image-store.ts';
import type { Clock } from '../platform/clock.ts';
import { agentSourceDir } from './paths.ts';

/** All images in the folder `dir`. */
export async function listImages(dir: string): Promise<readonly ImageLine[]> {
  return (await new ImageStore({ dir }).list()).map(lineOf);
}

/** Rejects with USAGE for what cannot be built, with IMAGE_BUILD_FAILED when the build fails. */
export async function buildImageOf(
  deps: { readonly dir: string; readonly clock: Clock; readonly step: (title: string) => void },
  wish: ImageWish,
): Promise<ImageLine> {
  const { dir, clock, step } = deps;
  return lineOf(await buildImage({ dir, agentSourceDir, progress: { step }, clock }, imageOrder(wish)));
}

function lineOf({ name, tag, digest, bytes, builtAtMs }: Image): ImageLine {
  return { name, tag, digest, bytes, builtAtMs };
}
