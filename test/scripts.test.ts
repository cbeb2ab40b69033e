import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface Counts {
  readonly passed: number;
  readonly failed: number;
}
const script: string = new URL('../scripts/vitest-report.mjs', import.meta.url).href;
const { countTests } = (await import(script)) as {
  countTests: (reportFile: string, exitCode: number) => Counts;
};

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'blixard-scripts-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((one) => ({ status: one })),
});

describe('the last line of npm test', () => {
  const count = (
    exitCode: number,
    numPassedTests: number,
    numFailedTests: number,
    ...testResults: object[]
  ) => {
    const report = join(dir, 'report.json');
    writeFileSync(report, JSON.stringify({ numPassedTests, numFailedTests, testResults }));
    return countTests(report, exitCode);
  };

  it('counts tests that passed and failed', () => {
    expect(count(0, 3, 0, file('passed', 'passed', 'passed', 'passed'))).toEqual({ passed: 3, failed: 0 });
    expect(count(1, 1, 2, file('failed', 'passed', 'failed', 'failed'))).toEqual({ passed: 1, failed: 2 });
  });

  it('counts a file that did not load as one failure', () => {
    expect(count(1, 1, 0, file('passed', 'passed'), file('failed'))).toEqual({ passed: 1, failed: 1 });
  });

  it('takes a run that broke, ran nothing, or left no report for a failure', () => {
    expect(count(1, 5, 0, file('passed', 'passed'))).toEqual({ passed: 5, failed: 1 });
    expect(count(0, 0, 0)).toEqual({ passed: 0, failed: 1 });
    expect(countTests(join(dir, 'absent.json'), 0)).toEqual({ passed: 0, failed: 1 });
  });
});

describe('the compiled program', () => {
  it.each(['contract/typebox', 'contract/typebox-check', 'client/undici', 'client/ws'])(
    'has %s in itself: it asks for nothing but modules of Node.js and what it shares',
    (name) => {
      const text = readFileSync(new URL(`../dist/${name}.js`, import.meta.url), 'utf8');
      const asked = [...text.matchAll(/^(?:import|export) [^'"]*['"]([^'"]+)['"]/gm)].map(([, from]) => from);
      expect(asked.filter((from) => !/^node:|^\.\.\/libraries\//.test(from ?? ''))).toEqual([]);
      expect(text.length).toBeGreaterThan(1_000);
    },
  );
});
