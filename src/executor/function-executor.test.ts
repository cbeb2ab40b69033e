import { describe, expect, it } from 'vitest';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { type Clock, FakeClock, realClock } from '../platform/clock.ts';
import { TestExecution, waitUntil } from './executor.suite.ts';
import { FunctionExecutor, type JobFunction } from './function-executor.ts';
import type { FunctionJob } from './function-run.ts';

const executorOf = (act: JobFunction, clock: Clock = new FakeClock()): FunctionExecutor =>
  new FunctionExecutor({ clock, functions: { act }, stopGraceMs: 50 });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const fail = (): never => {
  throw new Error('no text');
};
const forever: JobFunction = () => new Promise(() => undefined);

describe('a function', () => {
  it('sees its arguments, its standard input and which attempt it is, and writes to the log', async () => {
    const executor = executorOf(async ({ args, stdin, attempt, print }) => {
      await print('taken out');
      expect([args, stdin.toString(), attempt]).toEqual([['one', 'two'], 'bytes', 3]);
    });
    const stdinBase64 = Buffer.from('bytes').toString('base64');
    const execution = new TestExecution({ command: ['act', 'one', 'two'], stdinBase64 });
    const outcome = await executor.run(execution);
    expect(outcome).toMatchObject({ reason: 'exit', exitCode: 0, message: null });
    expect(execution.text('stdout')).toBe('taken out');
    const printing = new TestExecution({ command: ['act'] });
    await executorOf((job) => job.print('hello')).run(printing);
    expect(printing.text('stdout')).toBe('hello');
  });

  it('that ends at once is told as started by its end alone', async () => {
    const execution = new TestExecution({ command: ['act'] });
    await executorOf(() => 'not kept').run(execution);
    expect(execution.starts).toBe(0);
  });

  it('that lasts is told as running', async () => {
    const clock = new FakeClock();
    const execution = new TestExecution({ command: ['act'] });
    void executorOf(forever, clock).run(execution);
    clock.advance(defaults.lightStartToldMs);
    expect(execution.starts).toBe(0);
    clock.advance(1);
    expect(execution.starts).toBe(1);
  });

  it('that throws, now or later, fails the attempt and says why', async () => {
    const run = (act: JobFunction) => executorOf(act).run(new TestExecution({ command: ['act'] }));
    const now = await run(() => {
      throw new Error('no such user');
    });
    expect(now).toMatchObject({ reason: 'exit', exitCode: 1, message: 'no such user' });
    expect(await run(async () => Promise.reject(new Error('later')))).toMatchObject({ message: 'later' });
    expect(await run(async () => Promise.reject('text'))).toMatchObject({ exitCode: 1 });
  });

  it.each([
    ['an object without a prototype', Object.create(null)],
    ['an error whose message is no text', Object.assign(new Error(), { message: { code: 7 } })],
    ['an error whose message cannot be read', Object.defineProperty(new Error(), 'message', { get: fail })],
    ['an object that fails as text', { toString: fail }],
    ['nothing', undefined],
    ['a symbol', Symbol('s')],
  ])('that throws %s fails the attempt, and says something', async (_, thrown) => {
    const throwing = executorOf(() => Promise.reject(thrown));
    const outcome = await throwing.run(new TestExecution({ command: ['act'] }));
    expect(outcome).toMatchObject({ reason: 'exit', exitCode: 1, message: expect.any(String) });
  });

  it('may print without waiting: what cannot be written, and what comes after its end, harms nobody', async () => {
    const refused = new TestExecution({ command: ['act'] });
    refused.onOutput = () => Promise.reject(new BlixardError('FENCED', { problem: 'not yours' }));
    const prints: Promise<void>[] = [];
    let late: FunctionJob | undefined;
    const executor = executorOf(async (job) => {
      late = job;
      prints.push(job.print('one'));
    });
    await executor.run(refused);
    if (late !== undefined) prints.push(late.print('two'));
    expect(await Promise.all(prints)).toEqual([undefined, undefined]);
    expect(refused.text('stdout')).toBe('one');
  });

  it('whose output is refused is told to stop, and leaves turns to others if it goes on to print', async () => {
    const refused = new TestExecution({ command: ['act'] });
    refused.onOutput = () => Promise.reject(new BlixardError('FENCED', { problem: 'not yours' }));
    let [prints, turns] = [0, 0];
    setImmediate(() => turns++);
    let isDone = false;
    await executorOf(async ({ print, signal }) => {
      for (; prints < 1_000 && !signal.aborted; prints++) await print('one');
      expect(turns).toBe(1);
      for (turns = 0; prints < 1_000 && turns === 0; prints++) {
        setImmediate(() => turns++);
        await print('after its end');
      }
      isDone = true;
    }).run(refused);
    await waitUntil(() => isDone);
    expect(prints).toBe(2);
  });

  it('whose print is cut off by a stop ends with the stop', async () => {
    const clock = new FakeClock();
    const stopped = new TestExecution({ command: ['act'] });
    stopped.onOutput = () => Promise.reject('cancelled');
    const running = executorOf(async (job) => {
      stopped.stopper.abort('cancelled');
      await job.print('one');
      await whenAborted(job.signal);
    }, clock).run(stopped);
    for (let turns = 0; turns < 3; turns++) await turn();
    clock.advance(1);
    expect(await running).toMatchObject({ reason: 'cancelled' });
  });

  it('nobody has is exit code 127', async () => {
    const outcome = await executorOf(forever).run(new TestExecution({ command: ['other'] }));
    expect(outcome).toMatchObject({ reason: 'exit', exitCode: 127 });
    expect(outcome.message).toContain('it has: act');
  });
});

describe('a function that is to end', () => {
  it('is told by its signal, and its job is cancelled when it has ended', async () => {
    const clock = new FakeClock();
    const execution = new TestExecution({ command: ['act'] });
    const running = executorOf(
      ({ signal }) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
      clock,
    ).run(execution);
    clock.advance(1);
    execution.stopper.abort('cancelled');
    expect(await running).toMatchObject({ reason: 'cancelled', exitCode: null });
    expect(clock.waiting).toBe(0);
  });

  it('and does not, is told without it after the grace time', async () => {
    const clock = new FakeClock();
    const execution = new TestExecution({ command: ['act'] });
    const running = executorOf(forever, clock).run(execution);
    execution.stopper.abort('cancelled');
    clock.advance(1);
    clock.advance(49);
    let ended = false;
    void running.then(() => {
      ended = true;
    });
    await turn();
    expect(ended).toBe(false);
    clock.advance(1);
    expect(await running).toMatchObject({ reason: 'cancelled' });
  });

  it('after its time-out is late, also when it ends then', async () => {
    const clock = new FakeClock();
    const running = executorOf(({ signal }) => whenAborted(signal), clock).run(
      new TestExecution({ command: ['act'], timeoutMs: 1_000 }),
    );
    clock.advance(1);
    clock.advance(1_000);
    expect(await running).toMatchObject({ reason: 'timeout' });
  });

  it('ends at once when it is killed, or when its start is refused', async () => {
    const clock = new FakeClock();
    const killed = new TestExecution({ command: ['act'] });
    const one = executorOf(forever, clock).run(killed);
    clock.advance(1);
    killed.killer.abort();
    await one;
    expect(clock.waiting).toBe(0);
    const refused = new TestExecution({ command: ['act'] });
    refused.onStarted = () => Promise.reject(new BlixardError('FENCED', { problem: 'not yours' }));
    const two = executorOf(forever, realClock).run(refused);
    await waitUntil(() => refused.starts === 1);
    await two;
  });
});

describe('a function that is told to end before it is watched', () => {
  it.each([
    ['killer', 50],
    ['stopper', 50],
    ['stopper', 0],
  ] as const)('by its %s, with %d ms to go on, leaves no timer after its end', async (name, stopGraceMs) => {
    const clock = new FakeClock();
    const execution = new TestExecution({ command: ['act'] });
    const functions = { act: ({ signal }: FunctionJob) => whenAborted(signal) };
    const running = new FunctionExecutor({ clock, functions, stopGraceMs }).run(execution);
    execution[name].abort();
    clock.advance(1);
    await running;
    expect(clock.waiting).toBe(0);
  });
});

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
}
