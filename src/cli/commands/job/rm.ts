/** blixard job rm: forgets jobs that have ended. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { eachJob } from '../../each-job.ts';
import { jobsArgument } from '../../job-id.ts';

export function addJobRm(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'rm',
    summary: 'forget jobs that have ended, with their attempts and logs',
    flags: 'client',
    printsData: true,
    examples: ['blixard job rm 0192f3a4'],
    setUp: (command) => command.argument(...jobsArgument),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  await withClient(call, async (client) => {
    await eachJob(call, async (id) => {
      const removed = await client.call('removeJob', { params: { id } });
      await (call.json ? printJson(call, removed) : print(call, `${removed.id}  removed\n`));
    });
  });
}
