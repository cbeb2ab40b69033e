/** blixard vm stats: how many microVMs there are, and how they were started. */
import type { Command } from 'commander';
import type { VmStats } from '../../../contract/vm.ts';
import { formatBytes, formatDurationMs } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { memoryText } from '../../output/memory.ts';
import { printable } from '../../output/style.ts';
import { renderFacts } from '../../output/table.ts';

type Stop = VmStats['stopped'][number];

export function addVmStats(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'stats',
    summary: 'count the microVMs of all workers, what they use, and what is not started for now',
    flags: 'client',
    printsData: true,
    examples: ['blixard vm stats'],
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const stats = await withClient(call, (client) => client.call('getVmStats'));
  if (call.json) return void (await printJson(call, stats));
  const { usage } = stats;
  const facts: readonly (readonly [string, string])[] = [
    ['VMs', String(stats.vms)],
    ['memory', `${stats.memoryMiB} MiB`],
    ['use', countsText(stats.byUse)],
    ['start', countsText(stats.byStart)],
    ['state', countsText(stats.byState)],
    ['host memory', `${memoryText(usage.rssKiB)}, without what is shared ${memoryText(usage.pssKiB)}`],
    ['host CPU', formatDurationMs(usage.cpuMs)],
    ['disk', `read ${formatBytes(usage.readBytes)}, written ${formatBytes(usage.writtenBytes)}`],
    ...stats.stopped.map((stop): [string, string] => ['not started', stopText(stop)]),
  ];
  await print(call, renderFacts(facts, call.paint));
}

/** One image and size, or one host. */
function stopText({ image, memoryMiB, workerName, failures, retryInMs, why }: Stop): string {
  const what = image === null ? 'any VM' : `${printable(image)} with ${memoryMiB} MiB`;
  const next = retryInMs === 0 ? 'now' : `in ${formatDurationMs(Math.ceil(retryInMs / 1_000) * 1_000)}`;
  return `${what} by ${printable(workerName)}: ${failures} failed in a row, next try ${next}; ${printable(why)}`;
}

function countsText(counts: Readonly<Record<string, number>>): string {
  const named = Object.entries(counts).filter(([, count]) => count > 0);
  return named.map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
}
