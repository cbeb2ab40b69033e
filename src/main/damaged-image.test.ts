import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addImage, tagged } from '../image/image-scene.suite.ts';
import { realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { makeIds, realRandom } from '../platform/random.ts';
import { loadConfig } from './config.ts';
import { damagedImagesCheck } from './doctor/damaged-images.ts';
import { startUp } from './up.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-damaged-'));
  await addImage(dir, 'base', 'latest');
  for (const name of ['broken', 'old']) await tagged(dir, name, 'latest', 'garbage');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const configOf = async () => {
  const flags = { 'data-dir': join(dir, 'data'), 'images-dir': dir, port: '0' };
  return (await loadConfig({ flags, env: {}, cwd: dir })).values;
};

describe('a host with damaged images', () => {
  it('has a node that starts, and offers those that are well', async () => {
    const node = await startUp({
      config: await configOf(),
      version: '0',
      env: { SKIP_VM_MANAGER: '1' },
      clock: realClock,
      random: realRandom,
      ids: makeIds(realClock, realRandom),
      log: silentLog,
    });
    expect(node.images.map(({ name }) => name)).toEqual(['base']);
    await node.kill();
  });

  it('is told of each by the doctor', async () => {
    const surgery = { config: await configOf(), env: {}, clock: realClock };
    expect(await damagedImagesCheck.look(surgery)).toMatchObject({
      result: 'warn',
      text: expect.stringMatching(/^broken:latest is damaged: .+; old:latest is damaged: /),
    });
    for (const name of ['broken', 'old']) await addImage(dir, name, 'latest');
    expect(await damagedImagesCheck.look(surgery)).toMatchObject({
      result: 'ok',
      text: `3 in ${dir}, none of them damaged`,
    });
  });
});
