/** The flags that say when a job starts, how often it may be there, and how it is found again. */
import { type Command, Option } from 'commander';
import { type SubmitOptions, type UniquePolicy, uniquePolicies } from '../contract/submit-options.ts';
import { type Isolation, isolations } from '../domain/isolation.ts';
import { collect, readDurationMs, readLabel, readSignedInteger, readTimeMs } from './parse.ts';
import { retryOfFlags, retryUsage } from './retry-flags.ts';

/** These flags as commander gives them. */
export interface SubmitFlags {
  readonly priority?: string;
  readonly delay?: string;
  readonly at?: string;
  readonly expireIn?: string;
  readonly unique?: string;
  readonly uniquePolicy?: UniquePolicy;
  readonly idempotencyKey?: string;
  readonly retry?: readonly string[];
  readonly label?: readonly string[];
  readonly tenant?: string;
  readonly isolation?: Isolation;
  /** True unless `--no-zygote` was given. */
  readonly zygote?: boolean;
}

/** Adds those that only one submit has. */
export function declareOnceFlags(command: Command): Command {
  return command
    .option('--at <time>', 'start not before this time, such as 2030-01-31T08:00; at most a year ahead')
    .option('--idempotency-key <key>', 'the same key and job again give the first job again');
}

/** Adds those that a job which is submitted again and again has, too. */
export function declareSubmitFlags(command: Command): Command {
  return command
    .option('--priority <n>', 'from -100 to 100; one more is worth a minute of waiting')
    .option('--delay <duration>', 'start not before this time has passed')
    .option('--expire-in <duration>', 'give up when it was not started this long after it was due')
    .option('--unique <key>', 'at most one job of the queue with this key that has not ended')
    .addOption(new Option('--unique-policy <policy>', 'when there is one').choices(uniquePolicies))
    .option('--retry <rule>', retryUsage, collect)
    .option('--label <name=value>', 'label to find it by; may be given often', collect)
    .option('--tenant <name>', 'whose job it is')
    .addOption(
      new Option('--isolation <level>', 'a VM of its own, or one shared with its queue and tenant').choices(
        isolations,
      ),
    )
    .option('--no-zygote', 'start the interpreter anew, although the image has one that runs already');
}

/** What was given; the rest is left to the server. A policy without a key is for the server to refuse. */
export function submitOptionsOfFlags(flags: SubmitFlags): SubmitOptions {
  const { priority, delay, at, expireIn, unique, uniquePolicy, retry, label, tenant, isolation, zygote } =
    flags;
  return {
    ...(priority === undefined ? {} : { priority: readSignedInteger('--priority', priority) }),
    ...(delay === undefined ? {} : { delayMs: readDurationMs('--delay', delay) }),
    ...(at === undefined ? {} : { runAtMs: readTimeMs('--at', at) }),
    ...(expireIn === undefined ? {} : { expireInMs: readDurationMs('--expire-in', expireIn) }),
    ...(unique === undefined && uniquePolicy === undefined ? {} : { unique: uniqueOf(unique, uniquePolicy) }),
    ...(retry === undefined ? {} : { retry: retryOfFlags(retry) }),
    ...(label === undefined ? {} : { labels: labelsOf(label) }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(zygote === false ? { zygote } : {}),
  };
}

function uniqueOf(key: string | undefined, policy: UniquePolicy | undefined) {
  return { key: key ?? '', ...(policy === undefined ? {} : { policy }) };
}

function labelsOf(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(given.map((text) => readLabel('--label', text)));
}

/** The headers of the submit. */
export function submitHeadersOf({ idempotencyKey }: Pick<SubmitFlags, 'idempotencyKey'>): {
  'idempotency-key'?: string;
} {
  return idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
}
