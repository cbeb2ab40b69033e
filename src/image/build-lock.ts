/** One builder at a time: a kernel lock held by a helper that ends with this process, however it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { buildFailed } from './run-program.ts';

/** Held until released. */
export interface BuildLock {
  release(): Promise<void>;
}

/** Waits for the lock on `file`. The helper holds it for as long as its input is open, and echoes when it has it. */
export async function takeBuildLock(file: string): Promise<BuildLock> {
  const helper = spawn('flock', ['--exclusive', file, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(helper, 'close');
  helper.stdin.write('locked\n');
  const first = await Promise.race([once(helper.stdout, 'data'), ended]);
  if (!String(first[0]).startsWith('locked')) throw buildFailed(`flock on ${file} ended with ${first[0]}`);
  return {
    async release() {
      helper.stdin.end();
      await ended;
    },
  };
}
