/** The flags that say what a job is, the same for every command that makes one. */
import type { Command } from 'commander';

/** Adds the options of `SubmitOptions`. */
export function declareJobFlags(command: Command): void {
  command
    .option('-e, --env <name=value>', 'set an environment variable; NAME alone passes yours on', collect)
    .option('--env-file <file>', 'set the environment variables of this file', collect)
    .option('-m, --memory <size>', 'memory of the microVM, for example 256m or 1g')
    .option('--cpus <n>', 'virtual CPUs')
    .option('--timeout <duration>', 'end the command after this time, for example 90s or 5m')
    .option('--image <name>', 'image to run in')
    .option('--queue <name>', 'queue to submit to')
    .option('-w, --workdir <dir>', 'working directory in the microVM')
    .option('-u, --uid <n>', 'user id to run as')
    .option('-i, --interactive', 'give standard input, read to its end, to the command')
    .option('--attempts <n>', 'how often the command may be tried in all');
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
