import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Site } from '../lib/system.ts';

describe('jobs that run after others, in the built program', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  it('wait over a kill -9, end with the first of them, and their group tells so', async () => {
    const run = async (...args: string[]): Promise<string> =>
      (await site.cli(['run', '-d', '--group', 'g', ...args, '--', 'true'])).stdout.toString().trim();
    const first = await site.start('server');
    const parent = await run();
    const child = await run('--after', parent);
    const grandchild = await run('--after', child.slice(0, -1), '--after-failed', 'skip');
    expect(await first.end('SIGKILL')).toBeNull();

    await site.start('server');
    expect((await site.cli(['job', 'get', child])).stdout.toString()).toMatch(/^state +blocked$/m);
    expect((await site.cli(['job', 'cancel', parent])).code).toBe(0);
    const waited = await site.cli(['group', 'wait', 'g']);
    expect(waited).toMatchObject({ code: 1 });
    expect(waited.stdout.toString()).toBe('g  3 cancelled\n');
    const { stdout } = await site.cli(['job', 'get', grandchild, '-o', 'json']);
    expect(JSON.parse(stdout.toString())).toMatchObject({ state: 'cancelled', reason: 'skipped' });
  });
});
