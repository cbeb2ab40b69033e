/** blixard job retry: runs failed or cancelled jobs again. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { eachJob } from '../../each-job.ts';
import { jobsArgument } from '../../job-id.ts';
import { readDurationMs, readInteger } from '../../parse.ts';
import { submitHeadersOf } from '../../submit-flags.ts';

interface Options {
  readonly delay?: string;
  readonly attempt?: string;
  readonly idempotencyKey?: string;
}

export function addJobRetry(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'retry',
    summary: 'run failed or cancelled jobs again, with all their attempts allowed anew',
    flags: 'client',
    printsData: true,
    examples: ['blixard job retry 0197f2c4', 'blixard job retry --delay 10m 0197f2c4'],
    setUp: (command) =>
      command
        .argument(...jobsArgument)
        .option('--delay <duration>', 'not before this time has passed')
        .option('--attempt <n>', 'only if this is still its newest attempt')
        .option('--idempotency-key <key>', 'the same key again retries no job twice'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { delay, attempt } = call.options;
  const body = {
    ...(delay === undefined ? {} : { delayMs: readDurationMs('--delay', delay) }),
    ...(attempt === undefined ? {} : { attempt: readInteger('--attempt', attempt) }),
  };
  const headers = submitHeadersOf(call.options);
  await withClient(call, async (client) => {
    await eachJob(call, async (id) => {
      const job = await client.call('retryJob', { params: { id }, headers, body });
      await (call.json ? printJson(call, job) : print(call, `${job.id}  ${job.state}\n`));
    });
  });
}
