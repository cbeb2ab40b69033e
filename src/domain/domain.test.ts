import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attemptMachine } from './attempt.ts';
import { asBlixardError, BlixardError, errorCatalogue, errorCodes } from './errors.ts';
import { isUuidV7, timeOfUuidV7, uuidV7 } from './ids.ts';
import { leaseIsOver, leaseUntilMs } from './lease.ts';
import { type BackoffPolicy, backoffDelayMs } from './retry.ts';
import { formatBytes, formatDurationMs, parseDurationMs, parseMemoryMiB } from './units.ts';
import { vmMachine } from './vm.ts';
import { mayClaim, workerMachine } from './worker.ts';

const policies: fc.Arbitrary<BackoffPolicy> = fc.record({
  type: fc.constantFrom('fixed' as const, 'exponential' as const),
  delayMs: fc.integer({ min: 0, max: 1e9 }),
  delayMaxMs: fc.integer({ min: 0, max: 1e9 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe('back-off', () => {
  it('stays between the part without jitter and the cap, whatever the number of failures', () => {
    const failures = fc.integer({ min: 1, max: 10_000 });
    const unit = fc.double({ min: 0, max: 0.999999, noNaN: true });
    fc.assert(
      fc.property(policies, failures, unit, (policy, count, random) => {
        const delay = backoffDelayMs(policy, count, random);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(policy.delayMaxMs);
      }),
    );
  });

  it('doubles when exponential and stands still when fixed', () => {
    const base = { delayMs: 100, delayMaxMs: 1e9, jitter: 0 };
    expect([1, 2, 3, 4].map((n) => backoffDelayMs({ ...base, type: 'exponential' }, n, 0))).toEqual([
      100, 200, 400, 800,
    ]);
    expect([1, 2, 3, 4].map((n) => backoffDelayMs({ ...base, type: 'fixed' }, n, 0))).toEqual([
      100, 100, 100, 100,
    ]);
  });
});

describe('ids', () => {
  const bytes = fc.uint8Array({ minLength: 10, maxLength: 16 });
  const times = fc.integer({ min: 0, max: 2 ** 48 - 1 });

  it('are valid UUIDs of version 7 that give their time back', () => {
    fc.assert(
      fc.property(times, bytes, (timeMs, random) => {
        const id = uuidV7(timeMs, random);
        expect(isUuidV7(id)).toBe(true);
        expect(timeOfUuidV7(id)).toBe(timeMs);
      }),
    );
  });

  it('sort by time', () => {
    fc.assert(
      fc.property(times, times, bytes, bytes, (a, b, x, y) => {
        fc.pre(a < b);
        expect(uuidV7(a, x) < uuidV7(b, y)).toBe(true);
      }),
    );
  });
});

describe('the other machines', () => {
  it('give no job to a worker that drains or is offline', () => {
    expect(workerMachine.states.filter(mayClaim)).toEqual(['online']);
  });

  it('let an ended attempt and a terminated or failed VM go nowhere', () => {
    expect(attemptMachine.allowedFrom('ended')).toEqual([]);
    expect(vmMachine.allowedFrom('terminated')).toEqual([]);
    expect(vmMachine.allowedFrom('failed')).toEqual([]);
  });

  it('let every living VM fail', () => {
    expect(vmMachine.sourcesOf('failed')).toEqual(['starting', 'ready', 'busy', 'idle', 'draining']);
  });

  it('hold a lease up to, and not at, its last millisecond', () => {
    const until = leaseUntilMs(1_000, 15_000);
    expect(leaseIsOver(until, 15_999)).toBe(false);
    expect(leaseIsOver(until, 16_000)).toBe(true);
  });
});

describe('the error catalogue', () => {
  it('fills every hole of a message from the details, and says what went wrong and what to do', () => {
    for (const code of errorCodes) {
      const entry = errorCatalogue[code];
      const names = [...entry.message.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
      const error = new BlixardError(code, Object.fromEntries(names.map((name) => [name, 'x'])));
      expect(error.message).not.toMatch(/[{}]/);
      expect(entry.hint).toMatch(/[.)]$|: /);
      expect(entry.status).toBeGreaterThanOrEqual(400);
      expect(entry.exitCode).toBeGreaterThan(0);
    }
  });

  it('keeps the cause of an error it did not expect', () => {
    const cause = new TypeError('boom');
    expect(asBlixardError(cause)).toMatchObject({ code: 'INTERNAL', cause });
  });
});

describe('units', () => {
  it.each([
    ['1500ms', 1_500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['0.5s', 500],
    ['90', 90_000],
  ])('reads the duration %s', (text, ms) => expect(parseDurationMs(text)).toBe(ms));

  it.each(['', 'm5', '5x', '-5s', '5 m', 'NaN'])('refuses the duration %j', (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });

  it.each([
    ['256', 256],
    ['256m', 256],
    ['256MiB', 256],
    ['1g', 1_024],
    ['1.5G', 1_536],
  ])('reads the memory size %s', (text, mib) => expect(parseMemoryMiB(text)).toBe(mib));

  it.each(['', '-1', 'x', '10k'])('refuses the memory size %j', (text) => {
    expect(parseMemoryMiB(text)).toBeUndefined();
  });

  it('writes durations and sizes for people', () => {
    expect([0, 950, 1_449, 61_500, 3_600_000, 90_061_000].map(formatDurationMs)).toEqual([
      '0ms',
      '950ms',
      '1.4s',
      '1m1s',
      '1h',
      '1d1h',
    ]);
    expect([0, 1_536, 64 * 2 ** 20].map(formatBytes)).toEqual(['0 B', '1.5 KiB', '64.0 MiB']);
  });
});
