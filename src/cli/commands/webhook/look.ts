/** blixard webhook ls, get and rm. */
import type { Command } from 'commander';
import type { Webhook } from '../../../contract/webhook.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { printable } from '../../output/style.ts';
import { type Column, renderFacts, renderTable } from '../../output/table.ts';

export function addWebhookLs(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'ls',
    summary: 'list webhooks',
    flags: 'client',
    printsData: true,
    examples: ['blixard webhook ls', 'blixard webhook ls -o json'],
    run: async (call) => {
      const page = await withClient(call, (client) => client.call('listWebhooks'));
      if (call.json) await printJson(call, page);
      else await print(call, renderTable(page.webhooks, columns, call.paint, call.context.terminal.columns));
      return undefined;
    },
  });
}

export function addWebhookGet(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'get',
    summary: 'show one webhook; never its secret',
    flags: 'client',
    printsData: true,
    examples: ['blixard webhook get ci', 'blixard webhook get ci -o json'],
    setUp: (command) => command.argument('<webhook>', 'name of the webhook'),
    run: async (call) => {
      const params = { name: call.args[0] ?? '' };
      const webhook = await withClient(call, (client) => client.call('getWebhook', { params }));
      await (call.json ? printJson(call, webhook) : print(call, factsOf(call, webhook)));
      return undefined;
    },
  });
}

export function addWebhookRm(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'rm',
    summary: 'remove a webhook and its log of deliveries',
    flags: 'client',
    printsData: true,
    examples: ['blixard webhook rm ci'],
    setUp: (command) => command.argument('<webhook>', 'name of the webhook'),
    run: async (call) => {
      const params = { name: call.args[0] ?? '' };
      const removed = await withClient(call, (client) => client.call('deleteWebhook', { params }));
      await (call.json ? printJson(call, removed) : print(call, `${removed.name}  removed\n`));
      return undefined;
    },
  });
}

/** A webhook under its names. */
export function factsOf(call: Call, webhook: Webhook): string {
  const { retry } = webhook;
  const facts: (readonly [string, string | undefined])[] = [
    ['name', webhook.name],
    ['url', webhook.url],
    ['state', stateOf(webhook)],
    ['kinds', webhook.kinds.join(', ') || 'all'],
    ['queue', webhook.queue ?? 'all'],
    ['done up to', `event ${webhook.seq}`],
    ['retrying', retry === null ? undefined : `${retry.deliveryId}, next ${call.time(retry.nextAtMs)}`],
    ['problem', retry?.problem == null ? undefined : printable(retry.problem)],
    ['changed', call.time(webhook.updatedAtMs)],
  ];
  return renderFacts(facts, call.paint);
}

function stateOf({ paused, retry }: Webhook): string {
  if (paused) return 'paused';
  return retry === null ? 'ok' : `retrying (${retry.tries} tries failed)`;
}

const columns: readonly Column<Webhook>[] = [
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'STATE', cell: stateOf },
  { head: 'KINDS', cell: ({ kinds }) => kinds.join(',') || 'all' },
  { head: 'QUEUE', cell: ({ queue }) => queue ?? 'all' },
  { head: 'URL', flexible: true, cell: ({ url }) => url },
];
