/** blixard job cancel: ends jobs, wherever they are. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { eachJob } from '../../each-job.ts';
import { jobsArgument } from '../../job-id.ts';

interface Options {
  readonly reason?: string;
}

export function addJobCancel(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'cancel',
    summary: 'cancel jobs; a running command gets SIGTERM, a grace time, then its microVM is killed',
    flags: 'client',
    printsData: true,
    examples: ['blixard job cancel 0197f2c4', 'blixard job cancel --reason "wrong branch" 0197f2c4 0197f2c5'],
    setUp: (command) =>
      command.argument(...jobsArgument).option('--reason <text>', 'why, for those who look at the job later'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { reason } = call.options;
  const body = { by: call.context.actor, ...(reason === undefined ? {} : { reason }) };
  await withClient(call, async (client) => {
    await eachJob(call, async (id) => {
      const job = await client.call('cancelJob', { params: { id }, body });
      const text = job.state === 'cancelled' ? 'cancelled' : `${job.state}, being cancelled`;
      await (call.json ? printJson(call, job) : print(call, `${job.id}  ${text}\n`));
    });
  });
}
