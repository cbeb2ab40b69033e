/** blixard queue get: one queue. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { renderFacts } from '../../output/table.ts';
import { printQueue } from './print-queue.ts';

export function addQueueGet(parent: Command, home: CommandHome): void {
  addCommand<{ stats?: boolean }>(parent, home, {
    usage: 'get',
    summary: 'show one queue: its settings, and its jobs per state',
    flags: 'client',
    printsData: true,
    examples: ['blixard queue get builds', 'blixard queue get builds --stats'],
    setUp: (command) =>
      command.argument('<queue>', 'name of the queue').option('--stats', 'how it is doing, instead'),
    run,
  });
}

async function run(call: Call<{ stats?: boolean }>): Promise<undefined> {
  const params = { name: call.args[0] ?? '' };
  await withClient(call, async (client) => {
    if (call.options.stats !== true) return printQueue(call, await client.call('getQueue', { params }));
    const stats = await client.call('getQueueStats', { params });
    if (call.json) return printJson(call, stats);
    const timeOf = (ms: number | null): string => (ms === null ? 'never' : call.time(ms));
    const oldest = stats.oldestPendingAtMs === null ? 'none' : call.time(stats.oldestPendingAtMs);
    const facts: [string, string][] = [
      ['held', `${stats.held}${stats.concurrencyMax === null ? '' : ` of ${stats.concurrencyMax}`}`],
      ['oldest pending', oldest],
      ['last completed', timeOf(stats.lastCompletedAtMs)],
      ['last failed', timeOf(stats.lastFailedAtMs)],
    ];
    return print(call, renderFacts(facts, call.paint));
  });
}
