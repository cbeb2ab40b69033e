/** blixard vm stats: how many microVMs there are, and how they were started. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { renderFacts } from '../../output/table.ts';

export function addVmStats(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'stats',
    summary: 'count the microVMs of all workers',
    flags: 'client',
    printsData: true,
    examples: ['blixard vm stats'],
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const stats = await withClient(call, (client) => client.call('getVmStats'));
  if (call.json) return void (await printJson(call, stats));
  const facts: readonly (readonly [string, string])[] = [
    ['VMs', String(stats.vms)],
    ['memory', `${stats.memoryMiB} MiB`],
    ['use', countsText(stats.byUse)],
    ['start', countsText(stats.byStart)],
    ['state', countsText(stats.byState)],
  ];
  await print(call, renderFacts(facts, call.paint));
}

function countsText(counts: Readonly<Record<string, number>>): string {
  const named = Object.entries(counts).filter(([, count]) => count > 0);
  return named.map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
}
