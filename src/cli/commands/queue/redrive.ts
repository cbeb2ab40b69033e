/** blixard queue redrive: runs the failed jobs of a queue again. */
import { type Command, Option } from 'commander';
import type { Redriven } from '../../../contract/queue.ts';
import { type EndReason, endReasonNames } from '../../../domain/job.ts';
import { limits } from '../../../domain/limits.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { readInteger } from '../../parse.ts';

interface Options {
  readonly reason?: EndReason;
  readonly limit?: string;
}

export function addQueueRedrive(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'redrive',
    summary: 'run the failed jobs of a queue again, the oldest first',
    flags: 'client',
    printsData: true,
    examples: [
      'blixard job ls --queue builds --state failed',
      'blixard queue redrive builds --reason timeout',
      'blixard queue redrive builds -n 1',
    ],
    setUp: (command) =>
      command
        .argument('<queue>', 'name of the queue')
        .addOption(new Option('--reason <reason>', 'only those that failed so').choices(endReasonNames))
        .option('-n, --limit <n>', 'how many (default: all)'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { reason, limit } = call.options;
  const params = { name: call.args[0] ?? '' };
  const total = await withClient(call, async (client): Promise<Redriven> => {
    // A job that fails again at once must not be redriven for ever: as many as have failed by now.
    const { counts } = await client.call('getQueue', { params });
    const wanted = limit === undefined ? (counts['failed'] ?? 0) : readInteger('--limit', limit);
    let sum: Redriven = { redriven: 0, more: wanted > 0 };
    while (sum.more && sum.redriven < wanted) {
      const body = {
        limit: Math.min(limits.jobsPerStep, wanted - sum.redriven),
        ...(reason === undefined ? {} : { reason }),
      };
      const step = await client.call('redriveQueue', { params, body });
      sum = { redriven: sum.redriven + step.redriven, more: step.more };
      if (step.redriven === 0) break;
    }
    return sum;
  });
  const text = `${total.redriven} redriven${total.more ? ', there are more' : ''}\n`;
  await (call.json ? printJson(call, total) : print(call, text));
}
