/** What jobs are like in a run: every option of a submit at random, and commands of the fake executor. */
import type { SubmitJob } from '../../src/contract/job.ts';
import { afterFailedPolicies } from '../../src/contract/together.ts';
import { attemptReasonNames } from '../../src/domain/job.ts';
import type { Chance } from './chance.ts';

export const queues = ['default', 'other'] as const;
/** Names of keys, tenants, labels and groups. */
export const keys = ['a', 'b'] as const;

/** No executor ends a command so. */
const unlikely: ReadonlySet<string> = new Set(['exit', 'worker_lost']);

/** A job without an id; `after` are those it may run after, and undefined for one that stands for itself alone. */
export function randomJob(chance: Chance, after?: readonly string[]): SubmitJob {
  const maybe = <T extends object>(share: number, part: () => T): T | Record<never, never> =>
    chance.of(share) ? part() : {};
  return {
    command: [...command(chance)],
    queue: chance.of(0.8) ? queues[0] : queues[1],
    attemptsMax: chance.from(1, 3),
    timeoutMs: chance.pick([4_000, 30_000]),
    ...maybe(0.3, () => ({ priority: chance.from(-2, 2) })),
    ...maybe(0.2, () => ({ delayMs: chance.from(1, 8_000) })),
    ...maybe(0.15, () => ({ expireInMs: chance.pick([500, 5_000, 30_000]) })),
    ...maybe(0.3, () => ({ concurrencyKey: chance.pick(keys) })),
    ...maybe(0.2, () => ({ labels: { team: chance.pick(keys) } })),
    ...maybe(0.2, () => ({ tenant: chance.pick(keys) })),
    ...maybe(0.3, () => ({ backoff: { type: chance.pick(['fixed', 'exponential']), delayMs: 500 } })),
    ...maybe(0.2, () => ({
      retry: { oom: { attemptsMax: 2, memoryFactor: 2 }, timeout: { attemptsMax: 1 } },
    })),
    ...maybe(0.25, () => ({ group: chance.pick(keys) })),
    ...maybe(after === undefined ? 0 : 0.25, () => ({
      after: [...(after ?? [])],
      afterFailed: chance.any(afterFailedPolicies) ?? 'fail',
    })),
    ...maybe(after === undefined ? 0 : 0.2, () => ({
      unique: {
        key: chance.pick(keys),
        policy: chance.pick(['reject', 'existing', 'replace', 'debounce']),
      },
    })),
  };
}

function command(chance: Chance): readonly string[] {
  return chance.pick<readonly string[]>([
    ['exit', '0'],
    ['exit', '3'],
    ['print', 'hello', ';', 'sleep', '700'],
    ['bytes', '3000', ';', 'sleep', '100', ';', 'print-error', 'late'],
    ['progress', '50', 'half', ';', 'sleep', '300', ';', 'result', '{"sum":1}'],
    ['sleep', String(chance.from(100, 9_000))],
    ['ignore-stop', ';', 'sleep', '6000'],
    ['signal', '9'],
    ['end', chance.any(attemptReasonNames.filter((reason) => !unlikely.has(reason))) ?? 'oom', 'simulated'],
  ]);
}
