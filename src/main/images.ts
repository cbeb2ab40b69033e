/** Images of this host for the CLI. */
import type { ImageFacts, ImageFolder, ImageGarbage, ImageLine, ImageWish } from '../cli/context.ts';
import { commandText } from '../cli/output/command-text.ts';
import { defaults } from '../domain/defaults.ts';
import { buildImage } from '../image/build-image.ts';
import { collectGarbage, removeImage } from '../image/image-garbage.ts';
import { imageOrder, parseImageName } from '../image/image-order.ts';
import { type Image, ImageStore } from '../image/image-store.ts';
import { hasTag, listTags, missingImage } from '../image/tags.ts';
import type { Clock } from '../platform/clock.ts';
import { agentSourceDir } from './paths.ts';

/** A folder of images, and who is told of long steps. */
interface Folder {
  readonly dir: string;
  readonly clock: Clock;
  readonly step: (title: string) => void;
}

/** What a user types to have the base image in the folder `dir`. */
export function buildBaseCommand(dir: string): string {
  return commandText(['blixard', 'image', 'build', defaults.image, '--images-dir', dir]);
}

/** All images in the folder `dir`; damaged ones are told instead. */
export async function listImages(dir: string, onDamaged: (problem: string) => void): Promise<ImageFolder> {
  const images = await new ImageStore({ dir }).list(({ message }) => onDamaged(message));
  return { dir, images: images.map(lineOf) };
}

/** Rejects with USAGE, IMAGE_MISSING, IMAGE_INVALID. */
export async function getImage(dir: string, text: string): Promise<ImageFacts> {
  const { name, tag } = parseImageName(text);
  const image = await new ImageStore({ dir }).find(`${name}:${tag}`);
  if (image !== undefined) return image;
  throw missingImage({ name, tag }, dir, await listTags(dir));
}

/** Rejects with USAGE, or with IMAGE_MISSING when one is not there, before anything is removed. */
export async function removeImages(
  { step, ...folder }: Folder,
  texts: readonly string[],
): Promise<readonly (ImageGarbage & { image: string })[]> {
  const tags = texts.map(parseImageName);
  const known = await listTags(folder.dir);
  for (const tag of tags) if (!hasTag(known, tag)) throw missingImage(tag, folder.dir, known);
  const removed: (ImageGarbage & { image: string })[] = [];
  for (const tag of tags) {
    const garbage = await removeImage({ ...folder, progress: { step } }, tag);
    removed.push({ image: `${tag.name}:${tag.tag}`, ...garbage });
  }
  return removed;
}

/** Removes what no image needs; `packageBytes` of downloaded packages stay. */
export async function collectGarbageOf(
  { step, ...folder }: Folder,
  packageBytes: number,
): Promise<ImageGarbage> {
  return await collectGarbage({ ...folder, progress: { step }, packageBytes });
}

/** Rejects with USAGE for what cannot be built, with IMAGE_BUILD_FAILED when the build fails. */
export async function buildImageOf({ step, ...folder }: Folder, wish: ImageWish): Promise<ImageLine> {
  const deps = { ...folder, agentSourceDir, progress: { step } };
  return lineOf(await buildImage(deps, imageOrder(wish)));
}

function lineOf({ name, tag, digest, bytes, builtAtMs }: Image): ImageLine {
  return { name, tag, digest, bytes, builtAtMs };
}
