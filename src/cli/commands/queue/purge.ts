/** blixard queue purge: forgets ended jobs of a queue. */
import { type Command, Option } from 'commander';
import type { Purged } from '../../../contract/queue.ts';
import { endedStates } from '../../../domain/job.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { readDurationMs } from '../../parse.ts';

type EndedState = (typeof endedStates)[number];

interface Options {
  readonly state?: EndedState;
  readonly olderThan?: string;
}

export function addQueuePurge(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'purge',
    summary: 'forget the ended jobs of a queue, with their attempts and logs',
    flags: 'client',
    printsData: true,
    examples: ['blixard queue purge builds --state failed --older-than 30d'],
    setUp: (command) =>
      command
        .argument('<queue>', 'name of the queue')
        .addOption(new Option('--state <state>', 'only jobs that ended so').choices(endedStates))
        .option('--older-than <duration>', 'only jobs that ended longer ago'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { state, olderThan } = call.options;
  const params = { name: call.args[0] ?? '' };
  const body = {
    ...(state === undefined ? {} : { states: [state] }),
    ...(olderThan === undefined ? {} : { olderThanMs: readDurationMs('--older-than', olderThan) }),
  };
  const total = await withClient(call, async (client): Promise<Purged> => {
    // Each step is bounded by the server; what ends meanwhile is not waited for.
    let sum = await client.call('purgeQueue', { params, body });
    while (sum.more) {
      const step = await client.call('purgeQueue', { params, body });
      sum = { purged: sum.purged + step.purged, more: step.more };
    }
    return sum;
  });
  await (call.json ? printJson(call, total) : print(call, `${total.purged} purged\n`));
}
