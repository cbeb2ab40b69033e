/** blixard worker ls: all workers and what they can run. */
import type { Command } from 'commander';
import type { ExecutorOffer, Worker } from '../../../contract/worker.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { colourOfState } from '../../output/style.ts';
import { type Column, renderTable } from '../../output/table.ts';
import type { ShowTime } from '../../output/time.ts';

export function addWorkerLs(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'ls',
    summary: 'list workers',
    flags: 'client',
    printsData: true,
    examples: ['blixard worker ls', 'blixard worker ls -o json'],
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const page = await withClient(call, (client) => client.call('listWorkers'));
  if (call.json) return void (await printJson(call, page));
  const columns = workerColumns(call.time);
  await print(call, renderTable(page.workers, columns, call.paint, call.context.terminal.columns));
}

function workerColumns(time: ShowTime): readonly Column<Worker>[] {
  return [
    { head: 'ID', cell: (worker) => worker.id },
    { head: 'NAME', cell: (worker) => worker.name },
    { head: 'STATE', cell: (worker) => worker.state, colour: (worker) => colourOfState(worker.state) },
    { head: 'JOBS', align: 'right', cell: (worker) => `${worker.held}/${worker.slots}` },
    { head: 'QUEUES', optional: true, cell: (worker) => worker.queues.join(',') },
    { head: 'LEASE UNTIL', optional: true, cell: (worker) => time(worker.leaseUntilMs) },
    {
      head: 'RUNS',
      flexible: true,
      cell: (worker) => worker.executors.map(offerText).join('; ') || 'nothing',
    },
  ];
}

function offerText(offer: ExecutorOffer): string {
  return offer.unavailable === null ? offer.name : `not ${offer.name}: ${offer.unavailable}`;
}
