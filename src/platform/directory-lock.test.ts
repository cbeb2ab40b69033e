import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lockDirectory } from './directory-lock.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-lock-'));
});
afterAll(() => rm(dir, { recursive: true }));

it('a directory has one owner per purpose, also through another name, until it is released', async () => {
  const path = join(dir, 'made-on-demand');
  const first = await lockDirectory(path, 'test');
  expect(first).toBeDefined();
  await symlink(path, join(dir, 'alias'));
  expect(await lockDirectory(join(dir, 'alias'), 'test')).toBeUndefined();
  const other = await lockDirectory(path, 'other-purpose');
  expect(other).toBeDefined();
  await first?.release();
  const second = await lockDirectory(path, 'test');
  expect(second).toBeDefined();
  await second?.release();
  await other?.release();
});
