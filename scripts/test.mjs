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

/**
 * Stage after stage; what stands in one runs side by side. Tests of VMs take one core and the longest: the simulation
 * needs another, and those of processes hardly any.
 */
const stages = [
  [['--project=unit']],
  [['--project=system'], ['--project=sim', '--project=processes', '--maxWorkers=1']],
];

if (!(await bootstrap())) {
  process.stdout.write('\n0 passed, 1 failed\n');
  process.exit(1);
}
const counts = [runChecks()];
for (const stage of passedOn.length > 0 ? [[passedOn]] : stages) counts.push(...(await runStage(stage)));
const sum = (name) => counts.reduce((total, each) => total + each[name], 0);
process.stdout.write(`\n${sum('passed')} passed, ${sum('failed')} failed\n`);
process.exitCode = sum('failed') === 0 ? 0 : 1;

/** The first is shown as it goes, the others when they have ended, so that they do not mix. */
async function runStage([first, ...beside]) {
  const folder = mkdtempSync(join(tmpdir(), 'blixard-test-'));
  try {
    const reports = [first, ...beside].map((_, place) => join(folder, `${place}.json`));
    const runs = [
      runVitest(first, { report: reports[0], stdio: 'inherit' }),
      ...beside.map((args, place) => runVitest(args, { report: reports[place + 1], stdio: 'pipe' })),
    ];
    const ended = [];
    for (const run of runs) {
      const { exitCode, output } = await run;
      process.stdout.write(output);
      ended.push(exitCode);
    }
    return reports.map((report, place) => countTests(report, ended[place]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runVitest(passed, { report, stdio }) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...passed];
  const env = { ...process.env, ...(long ? { BLIXARD_TEST_LONG: '1' } : {}) };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => output.push(bytes));
  const exitCode = await new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('close', (code) => resolve(code ?? 1));
  });
  return { exitCode, output: Buffer.concat(output) };
}
