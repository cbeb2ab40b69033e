import { expect, it } from 'vitest';
import { realClock } from '../../platform/clock.ts';
import { executorSuite, TestExecution } from '../executor.suite.ts';
import { FakeExecutor, patternOfBytes } from './fake-executor.ts';

executorSuite('FakeExecutor', async () => {
  const executor = new FakeExecutor({ clock: realClock });
  return {
    executor,
    commands: {
      exit: (code) => ['exit', String(code)],
      signal: (number) => ['signal', String(number)],
      print: (text) => ['print', `${text}\n`],
      printError: (text) => ['print-error', `${text}\n`],
      cat: () => ['stdin'],
      sleepLong: () => ['sleep', '60000'],
      stubborn: () => ['ignore-stop', ';', 'sleep', '60000'],
      flood: (bytes) => ['bytes', String(bytes)],
      tell: ({ percent, message = '', result, artifacts = {} }) => [
        ...(percent === undefined ? [] : ['progress', String(percent), message, ';']),
        ...(result === undefined ? [] : ['result', result, ';']),
        ...Object.entries(artifacts).flatMap(([name, text]) => ['artifact', name, text, ';']),
        ...['exit', '0'],
      ],
      showInput: (name) => ['input', name],
    },
    live: () => executor.live,
    close: async () => undefined,
  };
});

it('runs its steps in order until one ends it, and remembers what it ran', async () => {
  const executor = new FakeExecutor({ clock: realClock });
  const command = ['print', 'a', ';', 'bytes', '300', ';', 'exit', '7', ';', 'print', 'never'];
  const execution = new TestExecution({ command });
  expect(await executor.run(execution)).toMatchObject({ reason: 'exit', exitCode: 7 });
  const expected = Buffer.concat([Buffer.from('a'), patternOfBytes(300)]);
  expect(Buffer.concat(execution.written.stdout).equals(expected)).toBe(true);
  expect(executor.begun).toEqual([`${execution.jobId}/3`]);
});

it('ends with any reason it is told to, and with 127 for a word it does not know', async () => {
  const executor = new FakeExecutor({ clock: realClock });
  const crashed = await executor.run(new TestExecution({ command: ['end', 'vm_crashed', 'boom'] }));
  expect(crashed).toMatchObject({ reason: 'vm_crashed', message: 'boom' });
  expect(await executor.run(new TestExecution({ command: ['dance'] }))).toMatchObject({ exitCode: 127 });
});
