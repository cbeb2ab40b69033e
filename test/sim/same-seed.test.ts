import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeedRunner } from './seeds.ts';

/** Any will do; these are not among the first, which run anyhow. */
const seeds = [7_001, 7_002, 7_003, 7_004, 7_005, 7_006, 7_007, 7_008, 7_009, 7_010];

describe('I10: the same seed', () => {
  let runner: SeedRunner;
  beforeAll(async () => {
    runner = await SeedRunner.open();
  });
  afterAll(() => runner.close());

  it('gives the same schedule again, step by step, whatever ran before it', async () => {
    const first: number[] = [];
    for (const seed of seeds) first.push((await runner.run(seed)).hash);
    expect(new Set(first).size).toBe(seeds.length);
    const other = await SeedRunner.open();
    const again: number[] = [];
    for (const seed of [...seeds].reverse()) again.unshift((await other.run(seed)).hash);
    await other.close();
    expect(again).toEqual(first);
  });

  it('meets every kind of trouble somewhere, and stale writes are refused and counted (I5)', async () => {
    const lines: string[] = [];
    let stale = 0;
    for (const seed of seeds) stale += (await runner.run(seed, { onLine: (line) => lines.push(line) })).stale;
    const trace = lines.join('\n');
    for (const trouble of [
      'crashes',
      'a worker crashes',
      'a worker stops',
      'control stops',
      'a worker is drained',
      'the clock is set',
      'request lost',
      'answer lost',
      'connection reset',
    ])
      expect(trace).toContain(trouble);
    expect(stale).toBeGreaterThan(0);
  });

  it('tells where a run failed and how to see it again', async () => {
    const sabotage = { sql: 'DELETE FROM events WHERE seq = 3' };
    const { steps } = await runner.run(7_001);
    const failed = runner.runAll(7_001, 1, { sabotage });
    await expect(failed).rejects.toThrow(
      /^seed 7001 failed, seen first at step (\d+):\n {2}step \1: [\s\S]*I9: an event is missing/,
    );
    await expect(failed).rejects.toThrow(/\nSee it again: BLIXARD_SIM_SEED=7001 BLIXARD_SIM_SEEDS=1 /);
    const [, step] = /at step (\d+)/.exec(String(await failed.catch((error: unknown) => error))) ?? [];
    expect(Number(step)).toBeLessThan(steps);
  });
});
