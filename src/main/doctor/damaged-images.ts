/** Checks whether images of this host are damaged, whichever they are. */
import { ImageStore } from '../../image/image-store.ts';
import { type Check, ok, warn } from './check.ts';

/** Jobs of a damaged image wait for another worker; those of the others run. */
export const damagedImagesCheck: Check = {
  name: 'images',
  async look({ config: { imagesDir } }) {
    const damaged: string[] = [];
    const well = await new ImageStore({ dir: imagesDir }).list(({ details }) =>
      damaged.push(`${details['image']} is damaged: ${details['problem']}`),
    );
    if (damaged.length === 0) return ok(`${well.length} in ${imagesDir}, none of them damaged`);
    return warn(damaged.join('; '), 'blixard image build makes an image anew, blixard image rm removes it.');
  },
};
