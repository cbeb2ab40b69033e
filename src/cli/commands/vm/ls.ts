/** blixard vm ls: the microVMs of all workers, those of the pool too. */
import { type Command, Option } from 'commander';
import { type Vm, vmUses } from '../../../contract/vm.ts';
import { defaults } from '../../../domain/defaults.ts';
import { formatDurationMs } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { memoryText } from '../../output/memory.ts';
import { printable } from '../../output/style.ts';
import { type Column, renderTable } from '../../output/table.ts';
import type { ShowTime } from '../../output/time.ts';
import { readInteger } from '../../parse.ts';

interface Options {
  readonly use?: Vm['use'];
  readonly worker?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

export function addVmLs(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'ls',
    summary: 'list the microVMs of all workers, oldest first, as each worker told last',
    flags: 'client',
    printsData: true,
    examples: ['blixard vm ls', 'blixard vm ls --use pool'],
    setUp: (command) =>
      command
        .addOption(
          new Option('--use <use>', 'only those of jobs, of the pool, or of services').choices(vmUses),
        )
        .option('--worker <id>', 'only those of this worker')
        .option('-n, --limit <n>', `how many (default: ${defaults.pageSize})`)
        .option('--cursor <cursor>', 'go on where an earlier page ended'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { limit, ...rest } = call.options;
  const { use, worker, cursor } = rest;
  const query = {
    ...(use === undefined ? {} : { use }),
    ...(worker === undefined ? {} : { worker }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(limit === undefined ? {} : { limit: readInteger('--limit', limit) }),
  };
  const page = await withClient(call, (client) => client.call('listVms', { query }));
  if (call.json) return void (await printJson(call, page));
  await print(call, renderTable(page.vms, columns(call.time), call.paint, call.context.terminal.columns));
  if (page.nextCursor !== null) await say(call.context, `there are more: --cursor ${page.nextCursor}`);
}

function columns(time: ShowTime): readonly Column<Vm>[] {
  return [
    { head: 'ID', cell: ({ id }) => id },
    { head: 'STATE', cell: ({ state }) => state },
    { head: 'USE', cell: ({ use, jobId, attempt }) => (jobId === null ? use : `${jobId}/${attempt}`) },
    { head: 'SERVED', cell: ({ jobsServed }) => (jobsServed === undefined ? '' : String(jobsServed)) },
    { head: 'START', cell: ({ start, bootMs }) => `${start} ${formatDurationMs(bootMs)}` },
    { head: 'SIZE', cell: ({ memoryMiB, vcpus }) => `${memoryMiB} MiB, ${vcpus} CPU` },
    { head: 'RSS', cell: ({ usage }) => memoryText(usage?.rssKiB) },
    { head: 'CPU', cell: ({ usage }) => (usage === undefined ? '-' : formatDurationMs(usage.cpuMs)) },
    { head: 'SINCE', optional: true, cell: ({ startedAtMs }) => time(startedAtMs) },
    { head: 'WORKER', flexible: true, cell: ({ workerName }) => printable(workerName) },
  ];
}
