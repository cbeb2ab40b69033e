/** blixard run: submits a job and, unless detached, behaves like the command ran here. */
import type { Command } from 'commander';
import { BlixardError } from '../../domain/errors.ts';
import { defaults } from '../../domain/limits.ts';
import { formatDurationMs } from '../../domain/units.ts';
import { attach } from '../attach.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../command.ts';
import { collect } from '../parse.ts';
import { type SubmitOptions, submissionOf } from '../submission.ts';
import { declareSubmitFlags, submitHeadersOf } from '../submit-flags.ts';

interface Options extends SubmitOptions {
  readonly detach?: boolean;
}

export function addRun(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'run',
    summary: 'run a command in a microVM of its own',
    flags: 'client',
    printsData: true,
    examples: [
      "blixard run -- sh -c 'echo hello; uname -r'",
      'blixard run -m 512 --cpus 2 --timeout 5m -e MODE=fast -- ./build.sh',
      'tar c . | blixard run -i -- tar tv',
      'id=$(blixard run -d -- sleep 60) && blixard job logs -f "$id"',
    ],
    setUp: declare,
    run,
  });
}

function declare(command: Command): void {
  declareSubmitFlags(command)
    .argument('<command...>', 'program and arguments, best after --')
    .passThroughOptions()
    .option('-d, --detach', 'print the id of the job and leave it to the server')
    .option('-e, --env <name=value>', 'set an environment variable; NAME alone passes yours on', collect)
    .option('--env-file <file>', 'set the environment variables of this file', collect)
    .option('-m, --memory <size>', `memory of the microVM, for example 1g (default: ${defaults.memoryMiB}m)`)
    .option('--cpus <n>', `virtual CPUs (default: ${defaults.vcpus})`)
    .option(
      '--timeout <duration>',
      `end the command after this time (default: ${formatDurationMs(defaults.timeoutMs)})`,
    )
    .option('--image <name>', `image to run in (default: ${defaults.image})`)
    .option('--queue <name>', `queue to submit to (default: ${defaults.queue})`)
    .option('--concurrency-key <key>', 'share the limit per key of the queue with jobs of the same key')
    .option('-w, --workdir <dir>', `working directory in the microVM (default: ${defaults.cwd})`)
    .option('-u, --uid <n>', 'user id to run as (default: 0)')
    .option('-i, --interactive', 'give standard input, read to its end, to the command')
    .option('--attempts <n>', `how often the command may be tried (default: ${defaults.attemptsMax})`);
}

async function run(call: Call<Options>): Promise<number | undefined> {
  const { context, options, args } = call;
  if (call.json && options.detach !== true) {
    throw new BlixardError('USAGE', { problem: '-o json needs -d; otherwise the output is the command’s' });
  }
  const body = await submissionOf(context, args, options);
  return await withClient(call, async (client) => {
    const job = await client.call('submitJob', { body, headers: submitHeadersOf(options) });
    if (options.detach !== true) return await attach(context, client, job.id);
    await (call.json ? printJson(call, job) : print(call, `${job.id}\n`));
    return 0;
  });
}
