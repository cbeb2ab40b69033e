import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { realClock } from '../platform/clock.ts';
import { removeTree } from '../platform/files.ts';
import { buildImage } from './build-image.ts';
import { imageOrder } from './image-order.ts';

it('what the disk refuses is told as a failed build, as any other failure', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'blixard-build-'));
  onTestFinished(() => removeTree(folder));
  await writeFile(join(folder, 'agent.c'), '');
  await writeFile(join(folder, 'file'), '');
  const build = { agentSourceDir: folder, progress: { step: () => undefined }, clock: realClock };
  await expect(
    buildImage({ ...build, dir: join(folder, 'file', 'images') }, imageOrder({ image: 'base' })),
  ).rejects.toMatchObject({
    code: 'IMAGE_BUILD_FAILED',
    message: expect.stringContaining('ENOTDIR'),
  });
});
