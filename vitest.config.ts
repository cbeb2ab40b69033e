import { defineConfig } from 'vitest/config';

const long = process.env['BLIXARD_TEST_LONG'] === '1';

export default defineConfig({
  test: {
    // A file of VM tests starts two VMs at once, so files of one project that use VMs run one after another.
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts', 'test/*.test.ts'] } },
      {
        test: {
          name: 'system',
          include: long ? ['test/*/**/*.test.ts', 'test/*/**/*.long.ts'] : ['test/*/**/*.test.ts'],
          exclude: ['test/sim/**'],
          fileParallelism: false,
          testTimeout: long ? 1_800_000 : 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'sim',
          include: ['test/sim/*.test.ts'],
          testTimeout: long ? 7_200_000 : 120_000,
        },
      },
    ],
  },
});
