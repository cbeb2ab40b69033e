import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { takeIdentity } from './identity.ts';
import { testIds } from './world.suite.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-identity-'));
});
afterAll(() => rm(dir, { recursive: true }));

it('is made once, kept, and held by one at a time', async () => {
  const dataDir = join(dir, 'new');
  const first = await takeIdentity({ dataDir, ids: testIds });
  await expect(takeIdentity({ dataDir, ids: testIds })).rejects.toMatchObject({ code: 'WORKER_LOCKED' });
  await first.release();
  const again = await takeIdentity({ dataDir, ids: testIds });
  expect(again.id).toBe(first.id);
  await again.release();
});

it('a damaged file is an error that names it, not a new worker', async () => {
  await writeFile(join(dir, 'worker.json'), '{"id": "me"}');
  const taking = takeIdentity({ dataDir: dir, ids: testIds });
  await expect(taking).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(taking).rejects.toThrow('worker.json');
  await writeFile(join(dir, 'worker.json'), JSON.stringify({ id: testIds() }));
  await (await takeIdentity({ dataDir: dir, ids: testIds })).release();
});
