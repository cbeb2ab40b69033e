/** Many seeds as tests, a share of them in each file, so that two processes run them side by side. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { firstSeed, SeedRunner, seedCount } from './seeds.ts';

const seedsPerTest = 100;

/** The tests of one file; `part` of `parts`, from 0. */
export function describeSeeds(part: number, parts: number): void {
  const starts = Array.from({ length: Math.ceil(seedCount / seedsPerTest) }, (_, index) => index)
    .filter((index) => index % parts === part)
    .map((index) => firstSeed + index * seedsPerTest);

  describe.skipIf(starts.length === 0)('a control node, workers and users in a bad world', () => {
    let seeds: SeedRunner;
    beforeAll(async () => {
      seeds = await SeedRunner.open();
    });
    afterAll(() => seeds.close());

    it.each(starts)('keep every promise with the seeds from %i on', async (start) => {
      const count = Math.min(seedsPerTest, firstSeed + seedCount - start);
      const { steps } = await seeds.runAll(start, count);
      expect(steps).toBeGreaterThan(count * 50);
    });
  });
}
