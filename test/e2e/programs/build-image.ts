/** Builds the base image; prints a line for each step and then the digest. Arguments: image folder, agent sources. */
import { buildBaseImage } from '../../../src/image/build-base.ts';
import { realClock } from '../../../src/platform/clock.ts';

const [dir = '', agentSourceDir = ''] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const image = await buildBaseImage({ dir, agentSourceDir, clock: realClock, progress: { step: say } });
say(image.digest);
