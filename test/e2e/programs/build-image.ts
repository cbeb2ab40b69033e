/** Builds the base image; prints a line for each step and then the digest. Arguments: image folder, agent sources. */
import { buildImage } from '../../../src/image/build-image.ts';
import { imageOrder } from '../../../src/image/image-order.ts';
import { realClock } from '../../../src/platform/clock.ts';

const [dir = '', agentSourceDir = ''] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const deps = { dir, agentSourceDir, clock: realClock, progress: { step: say } };
const image = await buildImage(deps, imageOrder({ image: 'base' }));
say(image.digest);
