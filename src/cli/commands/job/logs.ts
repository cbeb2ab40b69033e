/** blixard job logs: the output of a job, stored or as it comes. */
import { type Command, Option } from 'commander';
import type { BlixardClient } from '../../../client/index.ts';
import { addCommand, type Call, type CommandHome, withClient } from '../../command.ts';
import { copyOutput, followJob, sayGap } from '../../follow.ts';
import { jobArgument, readJobId } from '../../job-id.ts';
import { readInteger } from '../../parse.ts';
import type { OutputName } from '../../terminal.ts';

interface Options {
  readonly follow?: boolean;
  readonly attempt?: string;
  readonly stream?: OutputName;
}

export function addJobLogs(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'logs',
    summary: 'print the output of a job',
    flags: 'client',
    examples: ['blixard job logs -f 0197f2c4', 'blixard job logs --stream stderr --attempt 1 0197f2c4'],
    setUp: (command) =>
      command
        .argument(...jobArgument)
        .option('-f, --follow', 'go on until the job has ended')
        .option('--attempt <n>', 'output of this attempt (default: the newest)')
        .addOption(new Option('--stream <stream>', 'only this stream').choices(['stdout', 'stderr'])),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const id = readJobId(call.args[0]);
  const { attempt, stream } = call.options;
  const chosen = {
    ...(attempt === undefined ? {} : { attempt: readInteger('--attempt', attempt) }),
    ...(stream === undefined ? {} : { stream }),
  };
  await withClient(call, async (client) => {
    if (call.options.follow === true) await followJob(call.context, client, id, chosen);
    else await printStored(call, client, id, chosen);
  });
}

async function printStored(
  call: Call,
  client: BlixardClient,
  id: string,
  chosen: { readonly attempt?: number; readonly stream?: OutputName },
): Promise<void> {
  let offset = 0;
  let attempt = chosen.attempt;
  for (;;) {
    const range = await client.readLogs(id, {
      ...chosen,
      ...(attempt === undefined ? {} : { attempt }),
      offset,
    });
    for (const record of range.records) await copyOutput(call.context, record, chosen.stream);
    if (range.missingBytes > 0) await sayGap(call.context, range.missingBytes);
    if (range.nextOffset === offset) return;
    // A newer attempt may begin while we read.
    attempt = range.attempt;
    offset = range.nextOffset;
  }
}
