import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeImage } from '../image/image-garbage.ts';
import { addImage } from '../image/image-scene.suite.ts';
import { ImageStore } from '../image/image-store.ts';
import { realClock } from '../platform/clock.ts';
import type { ImageList } from './image-teller.ts';
import { loseAnswer, unreachable, World, waitUntil } from './world.suite.ts';

let world: World;
let dir: string;
beforeEach(async () => {
  world = await World.open();
  dir = join(world.dir, 'images');
  await mkdir(dir);
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

const toldBy = async (id: string) =>
  (await world.client.call('getWorker', { params: { id } })).images.map(({ name }) => name).sort();
const tells = (id: string, ...names: string[]) =>
  waitUntil(async () => JSON.stringify(await toldBy(id)) === JSON.stringify(names));

describe('a worker tells', () => {
  it('of an image that was built or removed after its start, and goes on as the same generation', async () => {
    await addImage(dir, 'base', 'latest');
    const { worker } = await world.startWorker({ images: new ImageStore({ dir }) });
    expect(await toldBy(worker.id)).toEqual(['base:latest']);
    const running = await world.submit(['sleep', '60000']);
    await expect(world.submit(['exit', '0'], { image: 'tools' })).rejects.toMatchObject({
      code: 'IMAGE_UNKNOWN',
    });
    await addImage(dir, 'tools', 'latest');
    await tells(worker.id, 'base:latest', 'tools:latest');
    const job = await world.submit(['exit', '0'], { image: 'tools' });
    expect(await world.ended(job.id)).toMatchObject({ state: 'completed' });
    const progress = { step: () => undefined };
    await removeImage({ dir, clock: realClock, progress }, { name: 'tools', tag: 'latest' });
    await tells(worker.id, 'base:latest');
    expect(await world.get(running.id)).toMatchObject({ attempt: 1 });
    expect(await world.client.call('getWorker', { params: { id: worker.id } })).toMatchObject({
      generation: 1,
    });
  });

  it('of an image of the same name with other contents', async () => {
    await addImage(dir, 'base', 'latest');
    const { worker } = await world.startWorker({ images: new ImageStore({ dir }) });
    const digest = await addImage(dir, 'base', 'latest', { labels: { kernel: '6.2' } });
    await waitUntil(async () => {
      const { images } = await world.client.call('getWorker', { params: { id: worker.id } });
      return images[0]?.digest === digest;
    });
  });

  it('of each change once, also when answers are lost and the server is away for a while', async () => {
    await addImage(dir, 'base', 'latest');
    const { worker, wire } = await world.startWorker({ images: new ImageStore({ dir }) });
    let troubles = 0;
    wire.fate = async (request, pass) => {
      if (!request.path.endsWith('/images') || ++troubles > 2) return pass();
      if (troubles === 1) throw unreachable();
      return loseAnswer(request, pass);
    };
    await addImage(dir, 'tools', 'v1');
    await tells(worker.id, 'base:latest', 'tools:v1');
    await waitUntil(() => troubles === 3);
  });

  it('of a change that came while it registered', async () => {
    const names = ['a'];
    let onChange = (): void => undefined;
    const images: ImageList = {
      list: async () => names.map((name) => ({ name, tag: 'latest', digest: 'sha256:1' })),
      watch: (watcher) => {
        onChange = watcher.onChange;
        return () => undefined;
      },
    };
    const made = await world.makeWorker({ images });
    made.wire.fate = async (request, pass) => {
      if (!request.path.endsWith('/v1/workers')) return pass();
      names.push('b');
      onChange();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return pass();
    };
    await made.worker.start();
    await tells(made.worker.id, 'a:latest', 'b:latest');
  });

  it('nothing any more when it has ended, and starts where the folder cannot be watched', async () => {
    const images: ImageList = {
      list: async () => [],
      watch: () => {
        throw new Error('no watches left');
      },
    };
    const { worker } = await world.startWorker({ images });
    expect(await toldBy(worker.id)).toEqual([]);
    const watched = await world.startWorker({ images: new ImageStore({ dir }) });
    await watched.worker.kill();
    await addImage(dir, 'late', 'latest');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(watched.wire.seen.filter((line) => line.endsWith('/images'))).toEqual([]);
  });
});
