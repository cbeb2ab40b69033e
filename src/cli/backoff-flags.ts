/** The flags of back-offs: the same words for all attempts of a job, and inside `--retry` for those of one reason. */
import type { Command } from 'commander';
import type { BackoffPolicy } from '../domain/retry.ts';
import { readBackoff, readDurationMs, readShare } from './parse.ts';

/** These flags as commander gives them. */
export interface BackoffFlags {
  readonly backoff?: string;
  readonly backoffMax?: string;
  readonly backoffJitter?: string;
}

/** Adds them to a command. */
export function declareBackoffFlags(command: Command): Command {
  return command
    .option(
      '--backoff <delay>',
      'wait before the next attempt, doubled after each, for example 5s; fixed:5s stays the same (default: 1s)',
    )
    .option('--backoff-max <duration>', 'wait no longer than this (default: 5m, or the delay if longer)')
    .option('--backoff-jitter <share>', 'random part of the wait, from 0 to 1 (default: 0.25)');
}

/** What was given of them; undefined when nothing was. `within` is named before the flag of a wrong text. */
export function backoffOf(
  { backoff, backoffMax, backoffJitter }: BackoffFlags,
  within = '--',
): Partial<BackoffPolicy> | undefined {
  const policy: Partial<BackoffPolicy> = {
    ...(backoff === undefined ? {} : readBackoff(`${within}backoff`, backoff)),
    ...(backoffMax === undefined ? {} : { delayMaxMs: readDurationMs(`${within}backoff-max`, backoffMax) }),
    ...(backoffJitter === undefined ? {} : { jitter: readShare(`${within}backoff-jitter`, backoffJitter) }),
  };
  return Object.keys(policy).length === 0 ? undefined : policy;
}
