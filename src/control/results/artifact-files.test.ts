/** The files of artifacts on a disk that fails, and what is kept open. */

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { realClock } from '../../platform/clock.ts';
import { makeIds, realRandom } from '../../platform/random.ts';
import { ArtifactFiles } from './artifact-files.ts';

let dir: string;
let files: ArtifactFiles;
const jobId = makeIds(realClock, realRandom)();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-artifacts-'));
  files = new ArtifactFiles({ dir });
});
afterEach(async () => {
  await files.close();
  await rm(dir, { recursive: true });
});

it('says that the disk is full, and takes the same part again when it is not', async () => {
  const key = { jobId, attempt: 1, name: 'a' };
  const name = createHash('sha256').update('a').digest('hex');
  await mkdir(join(dir, jobId, '1'), { recursive: true });
  await symlink('/dev/full', join(dir, jobId, '1', name));
  await expect(files.append(key, 0, Buffer.from('bytes'))).rejects.toMatchObject({ code: 'DISK_FULL' });
  await files.close();
  await rm(join(dir, jobId, '1', name));
  expect(await files.append(key, 0, Buffer.from('bytes'))).toBe(5);
});

it('keeps few files open, and goes on with one it has closed', async () => {
  const names = Array.from({ length: limits.artifactUploadsOpen + 5 }, (_, n) => `f${n}`);
  for (const name of names) await files.append({ jobId, attempt: 1, name }, 0, Buffer.from('ab'));
  const open = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  // Other tests of this process may have files open, too.
  const own = (await Promise.all(open)).filter((file) => file.startsWith(dir));
  expect(own.length).toBeGreaterThan(0);
  expect(own.length).toBeLessThanOrEqual(limits.artifactUploadsOpen);
  expect(await files.append({ jobId, attempt: 1, name: 'f0' }, 2, Buffer.from('c'))).toBe(3);
  const { size, sha256 } = await files.seal({ jobId, attempt: 1, name: 'f0' });
  expect([size, sha256]).toEqual([3, createHash('sha256').update('abc').digest('hex')]);
});

it('refuses more parts than may wait', async () => {
  const key = { jobId, attempt: 1, name: 'a' };
  const parts = Array.from({ length: limits.artifactUploadsWaiting + 1 }, () =>
    files.append(key, 0, Buffer.from('x')),
  );
  const ends = await Promise.allSettled(parts);
  expect(ends.filter(({ status }) => status === 'rejected')).toMatchObject([
    { reason: { code: 'OVERLOADED' } },
  ]);
});

it('makes a folder of nothing but a job id', async () => {
  await expect(
    files.append({ jobId: '../x', attempt: 1, name: 'a' }, 0, Buffer.from('x')),
  ).rejects.toMatchObject({
    code: 'JOB_NOT_FOUND',
  });
  await files.remove('..');
  expect(await readdir(dir)).toEqual([]);
});
