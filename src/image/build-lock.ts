/** One builder at a time: a kernel lock held by a helper that ends with this process, however it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { problemOf } from '../domain/errors.ts';
import { buildFailed } from './run-program.ts';

/** Held until released. */
export interface BuildLock {
  release(): Promise<void>;
}

/** Waits for the lock on `file`, which is made if it is not there. Rejects with IMAGE_BUILD_FAILED. */
export async function takeBuildLock(file: string): Promise<BuildLock> {
  // The helper says when it has the lock, and keeps it for as long as its input is open.
  const helper = spawn('flock', ['--exclusive', file, 'sh', '-c', 'echo locked && exec cat']);
  const words = text(helper.stderr);
  const ended = once(helper, 'close').catch((error) => [problemOf(error)]);
  const locked = once(helper.stdout, 'data').then(() => undefined);
  const status = await Promise.race([locked, ended]);
  if (status !== undefined) throw buildFailed(`flock ended with ${status[0]}: ${(await words).trim()}`);
  return {
    async release() {
      helper.stdin.end();
      await ended;
    },
  };
}
