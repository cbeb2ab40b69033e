/** The flags that say which jobs a job runs after, and to which group it belongs. */
import { type Command, Option } from 'commander';
import type { BlixardClient } from '../client/index.ts';
import type { SubmitJob } from '../contract/job.ts';
import { type AfterFailed, afterFailedPolicies } from '../contract/together.ts';
import { collect } from './parse.ts';
import { wholeIds } from './whole-ids.ts';

/** These flags as commander gives them. */
export interface TogetherFlags {
  readonly after?: readonly string[];
  readonly afterFailed?: AfterFailed;
  readonly group?: string;
}

/** Adds them to a command. */
export function declareTogetherFlags(command: Command): Command {
  return command
    .option('--after <job>', 'run after this job has ended; may be given often', collect)
    .addOption(
      new Option(
        '--after-failed <policy>',
        'when one of them failed or was cancelled (default: fail)',
      ).choices(afterFailedPolicies),
    )
    .option('--group <name>', 'group to add it to');
}

/** The jobs with what the flags say added to each; starts of ids are made whole by asking the server. */
export async function withTogetherFlags(
  client: BlixardClient,
  jobs: readonly SubmitJob[],
  { after = [], afterFailed, group }: TogetherFlags,
): Promise<SubmitJob[]> {
  const parents = await wholeIds(client, after);
  return jobs.map((job) => ({
    ...job,
    ...(parents.length === 0 ? {} : { after: [...new Set([...(job.after ?? []), ...parents])] }),
    ...(afterFailed === undefined ? {} : { afterFailed }),
    ...(group === undefined ? {} : { group }),
  }));
}
