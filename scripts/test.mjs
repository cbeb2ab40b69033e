/** npm test: set-up where needed, the checks, all tests; the last line is `N passed, N failed`. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { runChecks } from './checks.mjs';
import { countTests } from './vitest-report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const long = process.argv.includes('--long');
const passedOn = process.argv.slice(2).filter((arg) => arg !== '--long');

if (!(await bootstrap())) {
  process.stdout.write('\n0 passed, 1 failed\n');
  process.exit(1);
}
const checks = runChecks();
const tests = await runTests();
const failed = checks.failed + tests.failed;
process.stdout.write(`\n${checks.passed + tests.passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), 'blixard-test-'));
  const report = join(folder, 'vitest.json');
  try {
    const exitCode = await runVitest(report);
    return countTests(report, exitCode);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runVitest(report) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...passedOn];
  const env = { ...process.env, ...(long ? { BLIXARD_TEST_LONG: '1' } : {}) };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
  return new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('close', (code) => resolve(code ?? 1));
  });
}
