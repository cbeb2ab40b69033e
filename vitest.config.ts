import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const long = process.env['BLIXARD_TEST_LONG'] === '1';

/** Real processes without a VM, which wait more than they work, and some with few VMs: both sides end together. */
const besideVms = [
  'test/integration/**/*.test.ts',
  'test/e2e/{image,lock-in,long-output,service-vms}.test.ts',
  'test/chaos/{cancel-storm,clock-jump,disk-full,frozen-worker,herd,lost-wal}.test.ts',
  'test/chaos/{noisy-neighbour,starvation,store-crash,twice-sent,worker-kill}.test.ts',
];
const patience = { testTimeout: long ? 1_800_000 : 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    // A good part of each is to wait. On two cores three workers take 0.88 of the time of two.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/*.test.ts'],
          // A process of its own costs a file more than most of its tests; each leaves all it met as it was.
          isolate: false,
          // Files run side by side on all cores: what takes a second alone may take some.
          testTimeout: 30_000,
          hookTimeout: 30_000,
          expect: { poll: { timeout: 10_000 } },
        },
      },
      {
        test: {
          name: 'sim',
          include: ['test/sim/*.test.ts'],
          testTimeout: long ? 7_200_000 : 120_000,
        },
      },
      {
        test: {
          name: 'processes',
          include: besideVms,
          sequence: { groupOrder: 1 },
          // npm test runs those of VMs and the simulation beside it.
          fileParallelism: false,
          ...patience,
        },
      },
      // A file of VM tests starts two VMs at once, so one file runs after another.
      {
        test: {
          name: 'system',
          include: long ? ['test/*/**/*.test.ts', 'test/*/**/*.long.ts'] : ['test/*/**/*.test.ts'],
          exclude: ['test/sim/**', ...besideVms],
          sequence: { groupOrder: 2 },
          fileParallelism: false,
          ...patience,
        },
      },
    ],
  },
});
