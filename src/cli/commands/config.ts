/** blixard config: every value in force and where it came from. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson } from '../command.ts';
import type { ConfigLine } from '../context.ts';
import { type Column, renderTable } from '../output/table.ts';

export function addConfig(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'config',
    summary: 'print the configuration in force and where each value came from',
    flags: 'all',
    printsData: true,
    examples: ['blixard config', 'BLIXARD_SLOTS=8 blixard config -o json'],
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const lines = await call.context.host.config(call.flags);
  if (call.json) return void (await printJson(call, { config: lines }));
  await print(call, renderTable(lines, columns, call.paint, call.context.terminal.columns));
}

const columns: readonly Column<ConfigLine>[] = [
  { head: 'KEY', cell: ({ key }) => key },
  {
    head: 'VALUE',
    cell: ({ value }) => value,
    colour: ({ source }) => (source === 'default' ? undefined : 'bold'),
  },
  {
    head: 'FROM',
    cell: ({ source }) => source,
    colour: ({ source }) => (source === 'default' ? 'dim' : undefined),
  },
  { head: 'WHAT', flexible: true, cell: ({ about }) => about },
];
