/** blixard queue set: changes the settings that are named and leaves the others. */
import { type Command, Option } from 'commander';
import type { BlixardClient } from '../../../client/index.ts';
import { type FairBy, fairBys, type KeyPolicy, keyPolicies, type SetQueue } from '../../../contract/queue.ts';
import { isBlixardError } from '../../../domain/errors.ts';
import { addCommand, type Call, type CommandHome, withClient } from '../../command.ts';
import {
  collect,
  type FlagReader,
  readDurationWithUnitMs,
  readInteger,
  readRate,
  readWeight,
} from '../../parse.ts';
import { printQueue } from './print-queue.ts';

interface Options {
  readonly concurrency?: string;
  readonly concurrencyPerKey?: string;
  readonly keyPolicy?: KeyPolicy;
  readonly fairBy?: FairBy;
  readonly weight?: readonly string[];
  readonly rate?: string;
  readonly ratePerKey?: string;
  readonly keepCompleted?: string;
  readonly keepFailed?: string;
  readonly keepCancelled?: string;
}

export function addQueueSet(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'set',
    summary: 'change settings of a queue; those not named stay',
    flags: 'client',
    printsData: true,
    examples: [
      'blixard queue set builds --concurrency 4 --concurrency-per-key 1',
      'blixard queue set builds --fair-by tenant --weight ci=3 --rate 100/1m --rate-per-key none',
      'blixard queue set builds --concurrency none --keep-failed 90d --keep-completed 1h',
    ],
    setUp: declare,
    run,
  });
}

function declare(command: Command): void {
  command
    .argument('<queue>', 'name of the queue')
    .option('--concurrency <n>', 'jobs of it held at once; none for no limit')
    .option('--concurrency-per-key <n>', 'the same of the jobs that share a concurrency key')
    .addOption(
      new Option('--key-policy <policy>', 'what a new job over that limit does').choices(keyPolicies),
    )
    .addOption(new Option('--fair-by <whose>', 'whose jobs take turns').choices(fairBys))
    .option(
      '--weight <name=n>',
      'turns of a tenant or key for one of the others; may be given often',
      collect,
    )
    .option('--rate <n/duration>', 'jobs of it started in a time, for example 100/1m; none for no limit')
    .option('--rate-per-key <n/duration>', 'the same of the jobs that share a concurrency key')
    .option('--keep-completed <duration>', 'how long completed jobs are kept; forever, or for example 7d')
    .option('--keep-failed <duration>', 'the same of failed jobs')
    .option('--keep-cancelled <duration>', 'the same of cancelled jobs');
}

async function run(call: Call<Options>): Promise<undefined> {
  const { options } = call;
  const params = { name: call.args[0] ?? '' };
  const limit = given('none', readInteger);
  const rate = given('none', readRate);
  const kept = given('forever', readDurationWithUnitMs);
  const named = {
    ...limit('concurrencyMax', '--concurrency', options.concurrency),
    ...limit('concurrencyMaxPerKey', '--concurrency-per-key', options.concurrencyPerKey),
    ...rate('rateLimit', '--rate', options.rate),
    ...rate('rateLimitPerKey', '--rate-per-key', options.ratePerKey),
    ...(options.keyPolicy === undefined ? {} : { keyPolicy: options.keyPolicy }),
    ...(options.fairBy === undefined ? {} : { fairBy: options.fairBy }),
  };
  const weights = weightsOf(options.weight ?? []);
  const retention = {
    ...kept('completedMs', '--keep-completed', options.keepCompleted),
    ...kept('failedMs', '--keep-failed', options.keepFailed),
    ...kept('cancelledMs', '--keep-cancelled', options.keepCancelled),
  };
  await withClient(call, async (client) => {
    const before = await settingsNow(client, params.name);
    const body = {
      ...before,
      ...named,
      weights: { ...before.weights, ...weights },
      retention: { ...before.retention, ...retention },
    };
    await printQueue(call, await client.call('setQueue', { params, body }));
  });
}

/** Reads a flag; one word stands for null. */
function given<V>(word: string, read: FlagReader<V>) {
  return <const K extends string>(field: K, flag: string, text: string | undefined) =>
    (text === undefined ? {} : { [field]: text === word ? null : read(flag, text) }) as {
      readonly [name in K]?: V | null;
    };
}

/** A weight of 1 is what a name has that is not there. */
function weightsOf(given: readonly string[]): Record<string, number> {
  return Object.fromEntries(given.map((text) => readWeight('--weight', text)));
}

async function settingsNow(client: BlixardClient, name: string): Promise<SetQueue> {
  try {
    const queue = await client.call('getQueue', { params: { name } });
    const { name: _name, paused: _paused, counts: _counts, updatedAtMs: _updatedAtMs, ...settings } = queue;
    return settings;
  } catch (error) {
    if (isBlixardError(error, 'QUEUE_NOT_FOUND')) return {};
    throw error;
  }
}
