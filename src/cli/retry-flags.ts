/** The flag of `blixard run` that gives single reasons of failure a retry rule of their own. */
import type { Retry } from '../contract/retry-policy.ts';
import { BlixardError } from '../domain/errors.ts';
import { type RuledReason, ruledReasons } from '../domain/retry.ts';
import { type BackoffFlags, backoffOf } from './backoff-flags.ts';
import { readCount, readMemoryMiB } from './parse.ts';

type OomRule = NonNullable<Retry['oom']>;

/** One option of a rule: of its back-off, or a field of its own. */
interface Option {
  readonly flags?: BackoffFlags;
  readonly fields?: OomRule;
}

/** For the help of a command. */
export const retryUsage =
  'rule for one reason, for example oom=3,memory=x2,memory-max=1g or exit=5,backoff=fixed:10m; may be given often';

const allowed =
  `reason=attempts with reason one of ${ruledReasons.join(', ')}, then backoff=, backoff-max=, backoff-jitter=, ` +
  'and for oom memory=x2, memory-max=';

/** Reads all of these flags. */
export function retryOfFlags(texts: readonly string[]): Retry {
  return Object.fromEntries(texts.map(ruleOf));
}

function ruleOf(text: string): [RuledReason, OomRule] {
  const [first = '', ...options] = text.split(',');
  const [name, attempts] = pairOf(first, text);
  const reason = ruledReasons.find((each) => each === name);
  if (reason === undefined) throw wrong(text);
  const rules = options.map((option) => optionOf(...pairOf(option, text), text));
  const backoff = backoffOf(Object.assign({}, ...rules.map((rule) => rule.flags)), '--retry ');
  return [
    reason,
    Object.assign(
      { attemptsMax: readCount(`--retry ${reason}`, attempts) },
      ...rules.map((rule) => rule.fields),
      backoff === undefined ? {} : { backoff },
    ),
  ];
}

function optionOf(name: string, value: string, text: string): Option {
  switch (name) {
    case 'backoff':
      return { flags: { backoff: value } };
    case 'backoff-max':
      return { flags: { backoffMax: value } };
    case 'backoff-jitter':
      return { flags: { backoffJitter: value } };
    case 'memory':
      return { fields: { memoryFactor: factorOf(value, text) } };
    case 'memory-max':
      return { fields: { memoryMiBMax: readMemoryMiB('--retry memory-max', value) } };
    default:
      throw wrong(text);
  }
}

function factorOf(value: string, text: string): number {
  const [, factor] = /^x(\d{1,3}(?:\.\d{1,3})?)$/.exec(value) ?? [];
  if (factor === undefined) throw wrong(text);
  return Number(factor);
}

function pairOf(part: string, text: string): [string, string] {
  const [, name, value] = /^([a-z_-]+)=(.+)$/.exec(part) ?? [];
  if (name === undefined || value === undefined) throw wrong(text);
  return [name, value];
}

function wrong(text: string): BlixardError {
  return new BlixardError('USAGE', { problem: `--retry ${text}: it must be ${allowed}` });
}
