import { describe, expect, it } from 'vitest';
import { retryOfFlags } from './retry-flags.ts';

describe('--retry', () => {
  it('reads a rule for each reason', () => {
    expect(
      retryOfFlags([
        'oom=3,memory=x1.5,memory-max=1g',
        'exit=5,backoff=10s,backoff-max=1m',
        'timeout=1',
        'disk_full=2',
      ]),
    ).toEqual({
      oom: { attemptsMax: 3, memoryFactor: 1.5, memoryMiBMax: 1_024 },
      exit: { attemptsMax: 5, backoff: { delayMs: 10_000, delayMaxMs: 60_000 } },
      timeout: { attemptsMax: 1 },
      disk_full: { attemptsMax: 2 },
    });
  });

  it.each([
    'oom',
    'oom=',
    'oom=x',
    'lost=3',
    'oom=3,memory=2',
    'oom=3,colour=red',
    'exit=1,backoff=soon',
    '',
  ])('refuses %j', (text) => {
    expect(() => retryOfFlags([text])).toThrow('--retry');
  });
});
