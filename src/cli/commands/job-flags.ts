/** The flags that say what a job is, the same for every command that makes one. */
import type { Command } from 'commander';
import { defaults } from '../../domain/defaults.ts';
import { formatDurationMs } from '../../domain/units.ts';
import { declareBackoffFlags } from '../backoff-flags.ts';
import { collect } from '../parse.ts';

/** Adds the options of `SubmitOptions`. */
export function declareJobFlags(command: Command): void {
  command
    .option('-e, --env <name=value>', 'set an environment variable; NAME alone passes yours on', collect)
    .option('--env-file <file>', 'set the environment variables of this file', collect)
    .option('-m, --memory <size>', `memory of the microVM, for example 1g (default: ${defaults.memoryMiB}m)`)
    .option('--cpus <n>', `virtual CPUs (default: ${defaults.vcpus})`)
    .option(
      '--disk <size>',
      'room to write in, of its memory (default: all but what is kept for the command)',
    )
    .option('--pids <n>', 'processes and threads at once (default: what the guest has room for)')
    .option(
      '--timeout <duration>',
      `end the command after this time (default: ${formatDurationMs(defaults.timeoutMs)})`,
    )
    .option(
      '--executor <name>',
      `what runs it, ${defaults.executor} or function: then <command> is its name and arguments ` +
        `(default: ${defaults.executor})`,
    )
    .option('--image <name>', `image to run in (default: ${defaults.image})`)
    .option('--queue <name>', `queue to submit to (default: ${defaults.queue})`)
    .option('--concurrency-key <key>', 'share the limit per key of the queue with jobs of the same key')
    .option('-w, --workdir <dir>', `working directory in the microVM (default: ${defaults.cwd})`)
    .option('-u, --uid <n>', 'user id to run as (default: 0)')
    .option('-i, --interactive', 'give standard input, read to its end, to the command')
    .option('--artifact <path>', 'keep this file or folder of the microVM; may be given often', collect)
    .option(
      '--input <job>',
      'run after this job, with its result and artifacts in $BLIXARD_INPUTS; may be given often',
      collect,
    )
    .option('--attempts <n>', `how often the command may be tried (default: ${defaults.attemptsMax})`);
  declareBackoffFlags(command);
}
