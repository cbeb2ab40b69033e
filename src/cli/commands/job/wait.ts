/** blixard job wait: waits for the end of a job and exits as the job did. */
import type { Command } from 'commander';
import type { Job } from '../../../contract/job.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { exitCodeOf } from '../../exit-code.ts';
import { jobArgument, readJobId } from '../../job-id.ts';
import { endOf } from '../../output/job-end.ts';
import { showProgress } from '../../progress.ts';

export function addJobWait(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'wait',
    summary: 'wait until a job has ended, and exit with its exit code',
    flags: 'client',
    printsData: true,
    examples: ['blixard job wait 0197f2c4 && echo done'],
    setUp: (command) => command.argument(...jobArgument),
    run,
  });
}

async function run(call: Call): Promise<number> {
  const job = await waitForEnd(call, readJobId(call.args[0]));
  await (call.json ? printJson(call, job) : print(call, `${job.id}  ${job.state}  ${endOf(job)}\n`));
  return exitCodeOf(job);
}

function waitForEnd(call: Call, id: string): Promise<Job> {
  return withClient(call, async (client) => {
    const progress = showProgress(call.context, client, id);
    try {
      return await client.waitJob(id);
    } finally {
      progress.stop();
    }
  });
}
