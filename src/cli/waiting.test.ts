import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appTransport } from '../control/http/app-transport.ts';
import { FakeClock } from '../platform/clock.ts';
import { World, waitUntil } from '../worker/world.suite.ts';
import { CliScene, TestTerminal } from './cli-scene.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

const newestJob = async () => (await world.client.call('listJobs', { query: { limit: 1 } })).jobs[0];

/** A terminal, and a clock that the test moves. */
function prepared(tty = false) {
  const clock = new FakeClock();
  const terminal = new TestTerminal({ tty });
  const scene = new CliScene({ transport: () => appTransport(world.app), clock, terminal });
  return { clock, terminal, run: scene.run.bind(scene), interrupt: () => scene.interrupt() };
}

describe('blixard run', () => {
  it.each([true, false])('says why a job does not start (on a terminal: %s)', async (tty) => {
    const { clock, terminal, run, interrupt } = prepared(tty);
    const exitCode = run('run', '--', 'true');
    await waitUntil(() => clock.waiting === 1);
    clock.advance(2_000);
    await waitUntil(() => terminal.stderr !== '');
    const { id, waiting } = await world.get((await newestJob())?.id ?? '');
    expect(terminal.stderr).toBe(`blixard: job ${id} waits: ${waiting}\n`);
    interrupt();
    expect(await exitCode).toBe(130);
  });

  it('says how the last attempt ended while the next one waits, and again only when that has changed', async () => {
    await world.startWorker();
    const { clock, terminal, run, interrupt } = prepared();
    const exitCode = run(
      'run',
      '--retry',
      'disk_full=2,backoff=1h',
      '--',
      'end',
      'disk_full',
      '/tmp is full',
    );
    await waitUntil(async () => (await newestJob())?.state === 'scheduled' && clock.waiting === 1);
    clock.advance(2_000);
    await waitUntil(() => terminal.stderr !== '');
    clock.advance(4_000);
    const { id, waiting } = await world.get((await newestJob())?.id ?? '');
    expect(waiting).toMatch(/^Attempt 1 ended with disk_full; the next may start at 20.*Z\.$/);
    interrupt();
    expect(await exitCode).toBe(130);
    const said = terminal.stderr.split('\n').filter((line) => line.includes('waits'));
    expect(said).toEqual([`blixard: job ${id} waits: ${waiting} /tmp is full`]);
    expect(clock.waiting).toBe(0);
  });

  it('lets no text of a job move the cursor or colour the screen', async () => {
    await world.startWorker();
    const { terminal, run } = prepared(true);
    expect(await run('run', '--', 'end', 'disk_full', '\u001b[31mred\nnext')).toBe(125);
    expect(terminal.stderr).toContain('failed (disk_full): \ufffd[31mred ↵ next\n');
  });
});
