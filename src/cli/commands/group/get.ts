/** blixard group get: one group. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { renderFacts } from '../../output/table.ts';
import { countsText, groupArgument, progressOf } from './group-text.ts';

export function addGroupGet(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'get',
    summary: 'show one group: how far it is, and its jobs per state',
    flags: 'client',
    printsData: true,
    examples: ['blixard group get nightly', 'blixard job ls --group nightly --state failed'],
    setUp: (command) => command.argument(...groupArgument),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const params = { name: call.args[0] ?? '' };
  const group = await withClient(call, (client) => client.call('getGroup', { params }));
  if (call.json) return void (await printJson(call, group));
  const timeOf = (ms: number | null): string | undefined => (ms === null ? undefined : call.time(ms));
  const facts = [
    ['group', group.name],
    ['state', progressOf(group)],
    ['jobs', countsText(group)],
    ['oldest', timeOf(group.oldestAtMs)],
    ['newest', timeOf(group.newestAtMs)],
  ] as const;
  await print(call, renderFacts(facts, call.paint));
}
