/** blixard schedule ls: schedules by name. */
import type { Command } from 'commander';
import type { Schedule } from '../../../contract/schedule.ts';
import { defaults } from '../../../domain/defaults.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { commandText } from '../../output/command-text.ts';
import { type Column, renderTable } from '../../output/table.ts';
import { readInteger } from '../../parse.ts';
import { nextText } from './schedule-text.ts';

interface Options {
  readonly limit?: string;
  readonly cursor?: string;
}

export function addScheduleLs(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'ls',
    summary: 'list schedules by name',
    flags: 'client',
    printsData: true,
    examples: ['blixard schedule ls', 'blixard schedule ls -n 10 -o json'],
    setUp: (command) =>
      command
        .option('-n, --limit <n>', `how many (default: ${defaults.pageSize})`)
        .option('--cursor <cursor>', 'go on where an earlier page ended'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { limit, cursor } = call.options;
  const query = {
    ...(limit === undefined ? {} : { limit: readInteger('--limit', limit) }),
    ...(cursor === undefined ? {} : { cursor }),
  };
  const page = await withClient(call, (client) => client.call('listSchedules', { query }));
  if (call.json) return void (await printJson(call, page));
  await print(call, renderTable(page.schedules, columns, call.paint, call.context.terminal.columns));
  if (page.nextCursor !== null) await say(call.context, `there may be more: --cursor ${page.nextCursor}`);
}

const columns: readonly Column<Schedule>[] = [
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'CRON', cell: ({ cron }) => cron },
  { head: 'NEXT', cell: nextText, colour: ({ paused }) => (paused ? 'yellow' : undefined) },
  { head: 'FIRED', align: 'right', cell: ({ fired }) => String(fired) },
  { head: 'SKIPPED', align: 'right', cell: ({ skipped }) => String(skipped) },
  { head: 'FAILED', align: 'right', cell: ({ failed }) => String(failed) },
  { head: 'COMMAND', flexible: true, cell: ({ job }) => commandText(job.command) },
];
