import { afterEach, beforeEach, expect, it } from 'vitest';
import { appTransport } from '../control/http/app-transport.ts';
import { startTestSystem, type TestSystem } from '../control/http/test-system.suite.ts';
import { CliScene } from './cli-scene.suite.ts';

let system: TestSystem;
beforeEach(async () => {
  system = await startTestSystem();
});
afterEach(() => system.close());

const blixard = async (...args: readonly string[]) => {
  const scene = new CliScene({ transport: () => appTransport(system.app) });
  const code = await scene.run(...args);
  return { code, stdout: scene.terminal.stdout, stderr: scene.terminal.stderr };
};

it('run submits a function of an application, its arguments after its name', async () => {
  const command = ['send-mail', '{"to":"a"}'];
  const { stdout } = await blixard('run', '-d', '-o', 'json', '--executor', 'function', '--', ...command);
  expect(JSON.parse(stdout).spec).toMatchObject({ executor: 'function', command });
});

it('run says which flag has a wrong executor', async () => {
  const { code, stderr } = await blixard('run', '-d', '--executor', 'a function', '--', 'true');
  expect([code, stderr]).toEqual([125, expect.stringContaining('--executor: executor is "a function"')]);
});

it('schedule set makes jobs of functions, and makes them no others unless told to', async () => {
  const set = (...flags: readonly string[]) =>
    blixard('schedule', 'set', 'mails', '--cron', '@hourly', ...flags, '--', 'send-mails', '{}');
  const { stdout } = await set('--executor', 'function');
  expect(stdout).toMatch(/^executor +function$/m);
  const { code, stderr } = await set();
  expect(code).toBe(125);
  expect(stderr).toContain(
    'schedule mails has jobs of executor function, and this set names none: --executor function keeps it, ' +
      '--executor microvm changes it',
  );
  expect((await set('--executor', 'function')).stdout).toMatch(/^version +1$/m);
  expect((await set('--executor', 'microvm')).stdout).toMatch(/^executor +microvm$/m);
  expect((await set()).code).toBe(0);
});

it('schedule help says that a set replaces all of it', async () => {
  const { stdout } = await blixard('schedule', 'set', '--help');
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
    'replace all of it: what is left out has its default again',
  );
});
