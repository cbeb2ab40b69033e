/** blixard group ls: the groups and what is in them. */
import type { Command } from 'commander';
import type { Group } from '../../../contract/together.ts';
import { defaults } from '../../../domain/defaults.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { type Column, renderTable } from '../../output/table.ts';
import { readInteger } from '../../parse.ts';
import { countsText, progressOf } from './group-text.ts';

interface Options {
  readonly limit?: string;
  readonly cursor?: string;
}

export function addGroupLs(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'ls',
    summary: 'list the groups that have jobs, by name',
    flags: 'client',
    printsData: true,
    examples: ['blixard group ls', 'blixard group ls -o json'],
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
  const page = await withClient(call, (client) => client.call('listGroups', { query }));
  if (call.json) return void (await printJson(call, page));
  await print(call, renderTable(page.groups, columnsOf(call), call.paint, call.context.terminal.columns));
  if (page.nextCursor !== null) await say(call.context, `there may be more: --cursor ${page.nextCursor}`);
}

function columnsOf(call: Call): readonly Column<Group>[] {
  return [
    { head: 'NAME', cell: ({ name }) => name },
    {
      head: 'STATE',
      cell: progressOf,
      colour: ({ finished }) => (finished ? 'green' : 'cyan'),
    },
    {
      head: 'NEWEST',
      optional: true,
      cell: ({ newestAtMs }) => (newestAtMs === null ? '-' : call.time(newestAtMs)),
    },
    { head: 'JOBS', flexible: true, cell: countsText },
  ];
}
