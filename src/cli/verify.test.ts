import { expect, it } from 'vitest';
import { httpTransport } from '../client/index.ts';
import { CliScene } from './cli-scene.suite.ts';
import type { HostCommands, VerifyLine } from './context.ts';

/** No command line of this file needs a server. */
const call = async (args: readonly string[], host: Partial<HostCommands>) => {
  const scene = new CliScene({ transport: () => httpTransport({ url: 'http://127.0.0.1:9' }), host });
  return { code: await scene.run(...args), stdout: scene.terminal.stdout };
};

const sound: VerifyLine = {
  invariant: 'I2',
  text: 'a job has at most one live attempt',
  result: 'ok',
  rules: 2,
  looked: { jobs: 7, attempts: 9 },
  violations: [],
};
const broken: VerifyLine = {
  ...sound,
  invariant: 'I9',
  result: 'violated',
  violations: [{ rule: 'an event is missing', count: 20, more: true, rows: ['{"first_missing":2}'] }],
};

it('tells of each invariant what was looked at, and exits with 0 when all hold', async () => {
  const seen: object[] = [];
  const verify = async (flags: object, files: object) => {
    seen.push({ ...flags, ...files });
    return [sound, { ...sound, invariant: 'I6', result: 'unchecked' as const, looked: {} }];
  };
  const { code, stdout } = await call(['verify', '--effects', 'e.log', '--accepted', 'ids'], { verify });
  expect(code).toBe(0);
  expect(seen).toEqual([expect.objectContaining({ effects: 'e.log', accepted: 'ids' })]);
  expect(stdout).toMatch(/✔ I2 +a job has at most one live attempt +\(7 jobs, 9 attempts\)/);
  expect(stdout).toMatch(/- I6 .*\(not asked for\)/);
  expect(stdout).toContain('All that was looked at holds.');
});

it('shows the rows of what does not hold, as text and as JSON, and exits with 1', async () => {
  const host = { verify: async () => [sound, broken] };
  const told = await call(['verify'], host);
  expect(told.code).toBe(1);
  expect(told.stdout).toMatch(/✘ I9 .*an event is missing, more than 20 times:\n +\{"first_missing":2\}/s);
  const data = await call(['verify', '-o', 'json'], host);
  expect(data.code).toBe(1);
  expect(JSON.parse(data.stdout)).toEqual({ sound: false, invariants: [sound, broken] });
});
