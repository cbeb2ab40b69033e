import { expect, it } from 'vitest';
import { LazySignal } from './lazy-signal.ts';

it('tells who listens once, and not who has stopped listening', () => {
  const gone = new LazySignal();
  const told: string[] = [];
  gone.onAbort(() => told.push('first'));
  const unhook = gone.onAbort(() => told.push('second'));
  unhook();
  gone.throwIfAborted();
  gone.abort('why');
  gone.abort('again');
  expect(told).toEqual(['first']);
  expect(gone.signal.reason).toBe('why');
  expect(() => gone.throwIfAborted()).toThrow('why');
});

it('makes a signal that aborts with it, also when it is looked at later', () => {
  const [early, late] = [new LazySignal(), new LazySignal()];
  const { signal } = early;
  expect(signal.aborted).toBe(false);
  early.abort();
  late.abort();
  expect(signal.aborted).toBe(true);
  expect(late.signal.reason).toMatchObject({ name: 'AbortError' });
});
