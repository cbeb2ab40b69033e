/** blixard job ls: the newest jobs. */
import type { Command } from 'commander';
import type { Job } from '../../../contract/job.ts';
import { defaults } from '../../../domain/defaults.ts';
import { jobMachine } from '../../../domain/job.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { commandText } from '../../output/command-text.ts';
import { endOf } from '../../output/job-end.ts';
import { colourOfState } from '../../output/style.ts';
import { type Column, renderTable } from '../../output/table.ts';
import type { ShowTime } from '../../output/time.ts';
import { collect, readInteger, readPastMs, readWords } from '../../parse.ts';

interface Options {
  readonly state?: readonly string[];
  readonly queue?: string;
  readonly label?: readonly string[];
  readonly tenant?: string;
  readonly group?: string;
  readonly since?: string;
  readonly until?: string;
  readonly text?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

export function addJobLs(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'ls',
    summary: 'list jobs, newest first',
    flags: 'client',
    printsData: true,
    examples: [
      'blixard job ls --state running',
      'blixard job ls --state failed,cancelled --queue builds',
      'blixard job ls --label team=a --since 2h --text pytest',
      'blixard job ls -n 500 -o json',
    ],
    setUp: (command) =>
      command
        .option(
          '--state <states>',
          `only jobs in one of these states, commas between: ${jobMachine.states.join(', ')}`,
          collect,
        )
        .option('--queue <name>', 'only jobs of this queue')
        .option('--label <name=value>', 'only jobs with this label; may be given often', collect)
        .option('--tenant <name>', 'only jobs of this tenant')
        .option('--group <name>', 'only jobs of this group')
        .option('--since <time>', 'only jobs submitted since, for example 2h or 2030-01-31')
        .option('--until <time>', 'only jobs submitted before')
        .option('--text <text>', 'only jobs with this in their command')
        .option('-n, --limit <n>', `how many (default: ${defaults.pageSize})`)
        .option('--cursor <cursor>', 'go on where an earlier page ended'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { state, queue, limit, cursor } = call.options;
  const query = {
    ...searchOf(call),
    ...(state === undefined ? {} : { state: readWords('--state', state, jobMachine.states) }),
    ...(queue === undefined ? {} : { queue }),
    ...(limit === undefined ? {} : { limit: readInteger('--limit', limit) }),
    ...(cursor === undefined ? {} : { cursor }),
  };
  const page = await withClient(call, (client) => client.call('listJobs', { query }));
  if (call.json) return void (await printJson(call, page));
  const columns = jobColumns(call.time);
  await print(call, renderTable(page.jobs, columns, call.paint, call.context.terminal.columns));
  if (page.nextCursor !== null) await say(call.context, `there may be more: --cursor ${page.nextCursor}`);
}

function searchOf({ options, context }: Call<Options>) {
  const { label, tenant, group, since, until, text } = options;
  const nowMs = context.clock.nowMs();
  return {
    ...(label === undefined ? {} : { label: [...label] }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(group === undefined ? {} : { group }),
    ...(since === undefined ? {} : { createdAfterMs: readPastMs('--since', since, nowMs) - 1 }),
    ...(until === undefined ? {} : { createdBeforeMs: readPastMs('--until', until, nowMs) }),
    ...(text === undefined ? {} : { text }),
  };
}

function jobColumns(time: ShowTime): readonly Column<Job>[] {
  return [
    { head: 'ID', cell: (job) => job.id },
    { head: 'STATE', cell: (job) => job.state, colour: (job) => colourOfState(job.state) },
    { head: 'END', optional: true, cell: endOf },
    { head: 'QUEUE', optional: true, cell: (job) => job.spec.queue },
    { head: 'CREATED', cell: (job) => time(job.createdAtMs) },
    { head: 'COMMAND', flexible: true, cell: (job) => commandText(job.spec.command) },
  ];
}
