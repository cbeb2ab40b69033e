/** Reads what vitest wrote about a run: how many tests passed and failed. */
import { existsSync, readFileSync } from 'node:fs';

/**
 * A file that failed without a failed test in it (it did not load, or a hook failed) counts as one failure, and so
 * does a run that crashed or whose report is not there.
 *
 * @param exitCode how vitest ended.
 */
export function countTests(reportFile, exitCode) {
  if (!existsSync(reportFile)) return { passed: 0, failed: 1 };
  const report = JSON.parse(readFileSync(reportFile, 'utf8'));
  const passed = report.numPassedTests;
  const failed = report.numFailedTests + brokenFiles(report.testResults);
  return { passed, failed: failed === 0 && (exitCode !== 0 || passed === 0) ? 1 : failed };
}

function brokenFiles(files) {
  const broken = files.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return broken.length;
}
