/** The checks that need no run of the program: types, lint and format, unused code. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const checks = [
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json'] },
  { name: 'biome', args: ['node_modules/@biomejs/biome/bin/biome', 'check', '.'] },
  { name: 'knip', args: ['node_modules/knip/bin/knip.js', '--no-progress'] },
];

/** Runs every check, shows the output of those that fail, and returns how many passed and failed. */
export function runChecks() {
  const counts = { passed: 0, failed: 0 };
  for (const { name, args } of checks) {
    const startedMs = performance.now();
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    const tookS = ((performance.now() - startedMs) / 1_000).toFixed(1);
    const passed = status === 0;
    counts[passed ? 'passed' : 'failed'] += 1;
    process.stdout.write(`  ${passed ? '✔' : '✘'} ${name.padEnd(34)} ${tookS}s\n`);
    if (!passed) process.stdout.write(`${stdout}${stderr}\n`);
  }
  return counts;
}
