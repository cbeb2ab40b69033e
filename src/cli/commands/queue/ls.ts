/** blixard queue ls: the queues and what is in them. */
import type { Command } from 'commander';
import type { Queue } from '../../../contract/queue.ts';
import { defaults } from '../../../domain/defaults.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { type Column, renderTable } from '../../output/table.ts';
import { readInteger } from '../../parse.ts';

interface Options {
  readonly limit?: string;
  readonly cursor?: string;
}

export function addQueueLs(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'ls',
    summary: 'list the queues that have settings or jobs, by name',
    flags: 'client',
    printsData: true,
    examples: ['blixard queue ls', 'blixard queue ls -o json'],
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
  const page = await withClient(call, (client) => client.call('listQueues', { query }));
  if (call.json) return void (await printJson(call, page));
  await print(call, renderTable(page.queues, columns, call.paint, call.context.terminal.columns));
  if (page.nextCursor !== null) await say(call.context, `there are more: --cursor ${page.nextCursor}`);
}

const countOf = (queue: Queue, ...states: string[]): string =>
  String(states.reduce((sum, state) => sum + (queue.counts[state] ?? 0), 0));

const columns: readonly Column<Queue>[] = [
  { head: 'NAME', cell: ({ name }) => name },
  {
    head: 'STATE',
    cell: ({ paused }) => (paused ? 'paused' : 'open'),
    colour: ({ paused }) => (paused ? 'yellow' : 'green'),
  },
  { head: 'WAITING', align: 'right', cell: (queue) => countOf(queue, 'blocked', 'scheduled', 'pending') },
  { head: 'HELD', align: 'right', cell: (queue) => countOf(queue, 'claimed', 'running') },
  { head: 'MAX', align: 'right', cell: ({ concurrencyMax }) => String(concurrencyMax ?? '-') },
  {
    head: 'PER KEY',
    align: 'right',
    cell: ({ concurrencyMaxPerKey }) => String(concurrencyMaxPerKey ?? '-'),
  },
  { head: 'COMPLETED', align: 'right', cell: (queue) => countOf(queue, 'completed') },
  { head: 'FAILED', align: 'right', cell: (queue) => countOf(queue, 'failed') },
  { head: 'CANCELLED', align: 'right', cell: (queue) => countOf(queue, 'cancelled') },
];
