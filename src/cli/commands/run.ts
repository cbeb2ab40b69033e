/** blixard run: submits a job and, unless detached, behaves like the command ran here. */
import type { Command } from 'commander';
import { BlixardError } from '../../domain/errors.ts';
import { attach } from '../attach.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../command.ts';
import { type SubmitOptions, submissionOf } from '../submission.ts';
import { declareOnceFlags, declareSubmitFlags, submitHeadersOf } from '../submit-flags.ts';
import { declareTogetherFlags, type TogetherFlags, withTogetherFlags } from '../together-flags.ts';
import { withWholeInputs } from '../whole-ids.ts';
import { declareJobFlags } from './job-flags.ts';

interface Options extends SubmitOptions, TogetherFlags {
  readonly detach?: boolean;
}

export function addRun(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'run',
    summary: 'run a command in a microVM of its own, or a function of an application',
    flags: 'client',
    printsData: true,
    examples: [
      "blixard run -- sh -c 'echo hello; uname -r'",
      'blixard run -m 512 --cpus 2 --timeout 5m -e MODE=fast -- ./build.sh',
      'blixard run --attempts 5 --backoff fixed:30s --retry oom=2,memory=x2 -- ./fetch.sh',
      'tar c . | blixard run -i -- tar tv',
      'id=$(blixard run -d -- sleep 60) && blixard job logs -f "$id"',
      `blixard run --executor function -- send-mail '{"to":"ada@example.org"}'`,
      'blixard run --after "$id" --after-failed skip --group nightly -- ./report.sh',
    ],
    setUp: declare,
    run,
  });
}

function declare(command: Command): void {
  command
    .argument('<command...>', 'program and arguments, best after --')
    .passThroughOptions()
    .option('-d, --detach', 'print the id of the job and leave it to the server');
  declareJobFlags(command);
  declareSubmitFlags(command);
  declareOnceFlags(command);
  declareTogetherFlags(command);
}

async function run(call: Call<Options>): Promise<number | undefined> {
  const { context, options, args } = call;
  if (call.json && options.detach !== true) {
    throw new BlixardError('USAGE', { problem: '-o json needs -d; otherwise the output is the command’s' });
  }
  const submission = await submissionOf(context, args, options);
  return await withClient(call, async (client) => {
    const job = await withWholeInputs(client, submission);
    const [body = job] = await withTogetherFlags(client, [job], options);
    const submitted = await client.call('submitJob', { body, headers: submitHeadersOf(options) });
    if (options.detach !== true) return await attach(context, client, submitted.id);
    await (call.json ? printJson(call, submitted) : print(call, `${submitted.id}\n`));
    return 0;
  });
}
