/** blixard job result: the JSON a job wrote as its result. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, withClient } from '../../command.ts';
import { jobArgument, readJobId } from '../../job-id.ts';

export function addJobResult(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'result',
    summary: 'print the result of a job, the JSON it wrote to $BLIXARD_RESULT',
    flags: 'client',
    examples: ['blixard job result 0197f2c4 | jq .score'],
    setUp: (command) => command.argument(...jobArgument),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const id = readJobId(call.args[0]);
  const result = await withClient(call, (client) => client.readResult(id));
  await print(call, result.endsWith('\n') ? result : `${result}\n`);
}
