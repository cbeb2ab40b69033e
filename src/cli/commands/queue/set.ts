/** blixard queue set: changes the settings that are named and leaves the others. */
import type { Command } from 'commander';
import type { BlixardClient } from '../../../client/index.ts';
import type { SetQueue } from '../../../contract/queue.ts';
import { isBlixardError } from '../../../domain/errors.ts';
import { addCommand, type Call, type CommandHome, withClient } from '../../command.ts';
import { type FlagReader, readDurationMs, readInteger } from '../../parse.ts';
import { printQueue } from './print-queue.ts';

interface Options {
  readonly concurrency?: string;
  readonly concurrencyPerKey?: string;
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
      'blixard queue set builds --concurrency none --keep-failed 90d --keep-completed 1h',
    ],
    setUp: (command) =>
      command
        .argument('<queue>', 'name of the queue')
        .option('--concurrency <n>', 'jobs of it held at once; none for no limit')
        .option('--concurrency-per-key <n>', 'the same of the jobs that share a concurrency key')
        .option('--keep-completed <duration>', 'how long completed jobs are kept; forever, or for example 7d')
        .option('--keep-failed <duration>', 'the same of failed jobs')
        .option('--keep-cancelled <duration>', 'the same of cancelled jobs'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { options } = call;
  const params = { name: call.args[0] ?? '' };
  const limit = given('none', readInteger);
  const kept = given('forever', readDurationMs);
  const named = {
    ...limit('concurrencyMax', '--concurrency', options.concurrency),
    ...limit('concurrencyMaxPerKey', '--concurrency-per-key', options.concurrencyPerKey),
  };
  const retention = {
    ...kept('completedMs', '--keep-completed', options.keepCompleted),
    ...kept('failedMs', '--keep-failed', options.keepFailed),
    ...kept('cancelledMs', '--keep-cancelled', options.keepCancelled),
  };
  await withClient(call, async (client) => {
    const before = await settingsNow(client, params.name);
    const body = { ...before, ...named, retention: { ...before.retention, ...retention } };
    await printQueue(call, await client.call('setQueue', { params, body }));
  });
}

/** Reads a flag; one word stands for null. */
function given(word: string, read: FlagReader<number>) {
  return <const K extends string>(field: K, flag: string, text: string | undefined) =>
    (text === undefined ? {} : { [field]: text === word ? null : read(flag, text) }) as {
      readonly [name in K]?: number | null;
    };
}

async function settingsNow(client: BlixardClient, name: string): Promise<SetQueue> {
  try {
    const queue = await client.call('getQueue', { params: { name } });
    const { concurrencyMax, concurrencyMaxPerKey, retention } = queue;
    return { concurrencyMax, concurrencyMaxPerKey, retention };
  } catch (error) {
    if (isBlixardError(error, 'QUEUE_NOT_FOUND')) return {};
    throw error;
  }
}
