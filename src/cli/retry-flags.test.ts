import { describe, expect, it } from 'vitest';
import { retryOfFlags } from './retry-flags.ts';

describe('--retry', () => {
  it('reads a rule for each reason', () => {
    expect(
      retryOfFlags([
        'oom=3,memory=x1.5,memory-max=1g',
        'exit=5,backoff=10s,backoff-max=1m',
        'timeout=1',
        'disk_full=2,backoff=fixed:10m,backoff-jitter=0',
        'signal=2,backoff=exponential:1s,backoff-jitter=0.5',
      ]),
    ).toEqual({
      oom: { attemptsMax: 3, memoryFactor: 1.5, memoryMiBMax: 1_024 },
      exit: { attemptsMax: 5, backoff: { delayMs: 10_000, delayMaxMs: 60_000 } },
      timeout: { attemptsMax: 1 },
      disk_full: { attemptsMax: 2, backoff: { type: 'fixed', delayMs: 600_000, jitter: 0 } },
      signal: { attemptsMax: 2, backoff: { type: 'exponential', delayMs: 1_000, jitter: 0.5 } },
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
    'exit=1,backoff=linear:5s',
    'exit=1,backoff=fixed:',
    'exit=1,backoff-jitter=2',
    '',
  ])('refuses %j', (text) => {
    expect(() => retryOfFlags([text])).toThrow('--retry');
  });

  it.each(['oom=x', 'oom=-1'])('says of %j which numbers are allowed', (text) => {
    expect(() => retryOfFlags([text])).toThrow(
      `--retry oom ${text.slice(4)}: it must be a whole number, 1 or more`,
    );
  });
});
