/** blixard schedule trigger: submits the job of a schedule now. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { submitHeadersOf } from '../../submit-flags.ts';

interface Options {
  readonly idempotencyKey?: string;
}

export function addScheduleTrigger(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'trigger',
    summary: 'submit the job of a schedule now and print its id; the slots stay as they are',
    flags: 'client',
    printsData: true,
    examples: ['blixard job logs -f "$(blixard schedule trigger nightly)"'],
    setUp: (command) =>
      command
        .argument('<schedule>', 'name of the schedule')
        .option('--idempotency-key <key>', 'the same key again gives the first job again'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const params = { name: call.args[0] ?? '' };
  const headers = submitHeadersOf(call.options);
  const job = await withClient(call, (client) => client.call('triggerSchedule', { params, headers }));
  await (call.json ? printJson(call, job) : print(call, `${job.id}\n`));
}
