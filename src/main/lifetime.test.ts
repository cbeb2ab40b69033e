import { describe, expect, it } from 'vitest';
import type { Interrupt } from '../cli/context.ts';
import { runUntilInterrupted } from './lifetime.ts';

/** A process that drains when told to by the test, and signals sent by hand. */
function scene() {
  const told: string[] = [];
  let listener: ((signal: Interrupt) => void) | undefined;
  let drained = (): void => undefined;
  let stopped = (): void => undefined;
  const running = {
    drain: () => {
      told.push('drain');
      return new Promise<void>((resolve) => {
        drained = resolve;
      });
    },
    kill: async () => void told.push('kill'),
    stopped: new Promise<void>((resolve) => {
      stopped = resolve;
    }),
  };
  const exitCode = runUntilInterrupted(running, {
    onInterrupt: (added) => {
      listener = added;
      return () => {
        listener = undefined;
      };
    },
    onStop: (signal) => told.push(`told ${signal}`),
  });
  return {
    told,
    exitCode,
    send: (signal: Interrupt) => listener?.(signal),
    drained: () => drained(),
    stop: () => stopped(),
    listens: () => listener !== undefined,
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the life of a process', () => {
  it('drains at the first signal and ends with 0', async () => {
    const { told, exitCode, send, drained, listens } = scene();
    send('SIGTERM');
    await turn();
    drained();
    expect(await exitCode).toBe(0);
    expect(told).toEqual(['told SIGTERM', 'drain']);
    expect(listens()).toBe(false);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stops at once at a second signal: %s ends it with %d', async (signal, code) => {
    const { told, exitCode, send } = scene();
    send('SIGTERM');
    send(signal);
    expect(await exitCode).toBe(code);
    expect(told).toEqual(['told SIGTERM', 'drain', 'kill']);
  });

  it('clears up and ends with 1 when it stopped by itself', async () => {
    const { told, exitCode, stop, drained } = scene();
    stop();
    await turn();
    drained();
    expect(await exitCode).toBe(1);
    expect(told).toEqual(['drain']);
  });
});
