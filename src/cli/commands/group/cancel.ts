/** blixard group cancel: cancels all jobs of a group that have not ended. */
import type { Command } from 'commander';
import type { GroupCancelled } from '../../../contract/together.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { groupArgument } from './group-text.ts';

interface Options {
  readonly reason?: string;
}

export function addGroupCancel(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'cancel',
    summary: 'cancel all jobs of a group that have not ended, running ones too',
    flags: 'client',
    printsData: true,
    examples: ['blixard group cancel nightly --reason "wrong data"'],
    setUp: (command) =>
      command
        .argument(...groupArgument)
        .option('--reason <text>', 'why, for those who look at the jobs later'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { reason } = call.options;
  const body = { by: call.context.actor, ...(reason === undefined ? {} : { reason }) };
  const input = { params: { name: call.args[0] ?? '' }, body };
  const total = await withClient(call, async (client): Promise<GroupCancelled> => {
    // Each step is bounded by the server.
    let sum = await client.call('cancelGroup', input);
    while (sum.more) {
      const { cancelled, stopping, more } = await client.call('cancelGroup', input);
      sum = { cancelled: sum.cancelled + cancelled, stopping: sum.stopping + stopping, more };
    }
    return sum;
  });
  if (call.json) return void (await printJson(call, total));
  const stopping = total.stopping === 0 ? '' : `, ${total.stopping} being stopped`;
  await print(call, `${total.cancelled} cancelled${stopping}\n`);
}
