/** blixard job cancel: ends jobs, wherever they are. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';

interface Options {
  readonly reason?: string;
}

export function addJobCancel(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'cancel',
    summary: 'cancel jobs; a running command gets SIGTERM, a grace time, then its microVM is killed',
    flags: 'client',
    printsData: true,
    setUp: (command) =>
      command
        .argument('<job...>', 'ids of the jobs, or unique starts of them')
        .option('--reason <text>', 'why, for those who look at the job later'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { reason } = call.options;
  const body = reason === undefined ? {} : { reason };
  await withClient(call, async (client) => {
    for (const id of call.args) {
      const job = await client.call('cancelJob', { params: { id }, body });
      const text = job.state === 'cancelled' ? 'cancelled' : `${job.state}, being cancelled`;
      await (call.json ? printJson(call, job) : print(call, `${job.id}  ${text}\n`));
    }
  });
}
