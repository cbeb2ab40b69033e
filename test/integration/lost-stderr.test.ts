import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Site, until } from '../lib/system.ts';

const bin = fileURLToPath(new URL('../../dist/main/bin.js', import.meta.url));

describe('the built program, when standard error cannot be written', () => {
  let site: Site;
  let child: ChildProcess;
  let full: number;
  beforeEach(async () => {
    site = await Site.make();
    full = openSync('/dev/full', 'w');
  });
  afterEach(async () => {
    closeSync(full);
    if (child.exitCode === null) child.kill('SIGKILL');
    await site.remove();
  });

  const start = (args: readonly string[], stderr: number | 'pipe'): void => {
    child = spawn(process.execPath, [bin, ...args], {
      env: {
        ...process.env,
        ...{ BLIXARD_DATA_DIR: site.dataDir, BLIXARD_PORT: String(site.port), BLIXARD_SERVER: site.url },
        SKIP_VM_MANAGER: '1',
      },
      stdio: ['ignore', 'ignore', stderr],
    });
  };
  const serves = async (): Promise<boolean> => {
    const answer = await fetch(`${site.url}/healthz`).catch(() => undefined);
    return answer?.ok === true;
  };
  /** The handlers of signals come right after; nothing that can be seen from outside tells of them. */
  const isUp = async (): Promise<void> => {
    await until('it serves', serves, 20_000);
    await new Promise((resolve) => setTimeout(resolve, 500));
  };
  const ended = async (): Promise<unknown> => {
    if (child.exitCode === null) await once(child, 'exit', { signal: AbortSignal.timeout(20_000) });
    return child.exitCode;
  };

  it.each([
    ['an error', ['job', 'get', '0197f2c4']],
    ['a wrong call', ['job', 'nonsense']],
  ])('ends with 125 after %s', async (_what, args) => {
    start(args, full);
    expect(await ended()).toBe(125);
  });

  it.each(['server', 'up'])('%s serves, and ends cleanly on SIGTERM', async (command) => {
    start([command], full);
    await isUp();
    child.kill('SIGTERM');
    expect(await ended()).toBe(0);
  });

  it('up ends cleanly on SIGTERM when the reader of its banner has gone', async () => {
    start(['up'], 'pipe');
    child.stderr?.destroy();
    await isUp();
    child.kill('SIGTERM');
    expect(await ended()).toBe(0);
  });
});
