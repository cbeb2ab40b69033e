/** blixard webhook: where events are sent to. */
import type { Command } from 'commander';
import { addNoun, type CommandHome } from '../../command.ts';
import { addDeliveries, addRedeliver, addTest } from './deliveries.ts';
import { addWebhookGet, addWebhookLs, addWebhookRm } from './look.ts';
import { addWebhookSet } from './set.ts';

export function addWebhookCommands(parent: Command, home: CommandHome): void {
  const webhook = addNoun(parent, 'webhook', 'send events to other programs');
  addWebhookLs(webhook, home);
  addWebhookGet(webhook, home);
  addWebhookSet(webhook, home);
  addWebhookRm(webhook, home);
  addTest(webhook, home);
  addDeliveries(webhook, home);
  addRedeliver(webhook, home);
}
