/** The images of a host that can be used, whatever state the others are in. */
import type { Log } from '../platform/log.ts';
import type { Image, ImageStore } from './image-store.ts';

/** Where they are, and who is told of the others. */
export interface WellImagesDeps {
  readonly images: Pick<ImageStore, 'list'>;
  readonly log: Log;
}

/** Every image that is not damaged, by name and tag; of the damaged ones the log tells. */
export async function wellImages({ images, log }: WellImagesDeps): Promise<readonly Image[]> {
  return await images.list((error) => log.error({ err: error }, 'a damaged image is left out'));
}
