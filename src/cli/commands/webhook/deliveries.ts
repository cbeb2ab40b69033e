/** blixard webhook deliveries, redeliver and test: how sending went, and sending by hand. */
import type { Command } from 'commander';
import type { Delivery } from '../../../contract/webhook.ts';
import { defaults } from '../../../domain/defaults.ts';
import { formatDurationMs } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { type Column, renderTable } from '../../output/table.ts';
import type { ShowTime } from '../../output/time.ts';
import { readInteger } from '../../parse.ts';

interface PageOptions {
  readonly limit?: string;
  readonly cursor?: string;
}

export function addDeliveries(parent: Command, home: CommandHome): void {
  addCommand<PageOptions>(parent, home, {
    usage: 'deliveries',
    summary: 'list the newest deliveries of a webhook, newest first',
    flags: 'client',
    printsData: true,
    examples: ['blixard webhook deliveries ci', 'blixard webhook deliveries ci -n 10 -o json'],
    setUp: (command) =>
      command
        .argument('<webhook>', 'name of the webhook')
        .option('-n, --limit <n>', `how many (default: ${defaults.pageSize})`)
        .option('--cursor <cursor>', 'go on where an earlier page ended'),
    run: listPage,
  });
}

export function addRedeliver(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'redeliver',
    summary: 'send a delivery again, under the same id; exits with 1 when it fails',
    flags: 'client',
    printsData: true,
    examples: [
      "blixard webhook redeliver ci $(blixard webhook deliveries ci -n 1 -o json | jq -r '.deliveries[0].id')",
    ],
    setUp: (command) =>
      command.argument('<webhook>', 'name of the webhook').argument('<delivery>', 'id of the delivery'),
    run: async (call) => {
      const params = { name: call.args[0] ?? '', id: call.args[1] ?? '' };
      return await tell(call, await withClient(call, (client) => client.call('redeliver', { params })));
    },
  });
}

export function addTest(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'test',
    summary: 'send one event of kind webhook.test; exits with 1 when it fails',
    flags: 'client',
    printsData: true,
    examples: ['blixard webhook test ci'],
    setUp: (command) => command.argument('<webhook>', 'name of the webhook'),
    run: async (call) => {
      const params = { name: call.args[0] ?? '' };
      return await tell(call, await withClient(call, (client) => client.call('testWebhook', { params })));
    },
  });
}

async function listPage(call: Call<PageOptions>): Promise<undefined> {
  const { limit, cursor } = call.options;
  const params = { name: call.args[0] ?? '' };
  const query = {
    ...(limit === undefined ? {} : { limit: readInteger('--limit', limit) }),
    ...(cursor === undefined ? {} : { cursor }),
  };
  const page = await withClient(call, (client) => client.call('listDeliveries', { params, query }));
  if (call.json) return void (await printJson(call, page));
  const { terminal } = call.context;
  await print(call, renderTable(page.deliveries, columns(call.time), call.paint, terminal.columns));
  if (page.nextCursor !== null) await say(call.context, `there may be more: --cursor ${page.nextCursor}`);
}

async function tell(call: Call, delivery: Delivery): Promise<number> {
  if (call.json) await printJson(call, delivery);
  else
    await print(call, renderTable([delivery], columns(call.time), call.paint, call.context.terminal.columns));
  return delivery.state === 'failed' ? 1 : 0;
}

function columns(time: ShowTime): readonly Column<Delivery>[] {
  return [
    { head: 'ID', cell: ({ id }) => id },
    { head: 'KIND', cell: ({ kind }) => kind },
    { head: 'STATE', cell: ({ state }) => state },
    { head: 'HTTP', cell: ({ statusCode }) => (statusCode === null ? '-' : String(statusCode)) },
    { head: 'TRIES', align: 'right', cell: ({ tries }) => String(tries) },
    { head: 'TOOK', align: 'right', cell: ({ durationMs }) => formatDurationMs(durationMs) },
    { head: 'LAST TRY', cell: ({ atMs }) => time(atMs) },
    { head: 'NEXT', cell: ({ nextAtMs }) => time(nextAtMs) },
    { head: 'PROBLEM', flexible: true, cell: ({ problem }) => problem ?? '' },
  ];
}
