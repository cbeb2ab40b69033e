/** blixard vm get: one microVM. */
import type { Command } from 'commander';
import type { Vm } from '../../../contract/vm.ts';
import { formatBytes, formatDurationMs } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { readVmId } from '../../job-id.ts';
import { memoryText } from '../../output/memory.ts';
import { printable } from '../../output/style.ts';
import { renderFacts } from '../../output/table.ts';

export function addVmGet(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'get',
    summary: 'show one microVM: what it is, for whom it runs, how it was started',
    flags: 'client',
    printsData: true,
    examples: ['blixard vm get 0197f2c4'],
    setUp: (command) => command.argument('<vm>', 'id of the VM, or a unique start of it'),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const params = { id: readVmId(call.args[0]) };
  const vm = await withClient(call, (client) => client.call('getVm', { params }));
  if (call.json) return void (await printJson(call, vm));
  await print(call, renderFacts(factsOf(call, vm), call.paint));
}

/** By its use, where it serves no job. */
const idleUses: Readonly<Record<Vm['use'], string>> = {
  job: 'a job',
  pool: 'waits in the pool for a job',
  service: 'waits for the next job of its queue and tenant',
};

function factsOf(call: Call, vm: Vm): readonly (readonly [string, string | undefined])[] {
  return [
    ['id', vm.id],
    ['state', vm.state],
    ['use', vm.jobId === null ? idleUses[vm.use] : `job ${vm.jobId}, attempt ${vm.attempt}`],
    ['served', vm.jobsServed === undefined ? undefined : `${vm.jobsServed} jobs before`],
    ['start', `${vm.start} in ${formatDurationMs(vm.bootMs)}`],
    ['why', vm.startReason === undefined ? undefined : printable(vm.startReason)],
    ['image', vm.image],
    ['size', `${vm.memoryMiB} MiB, ${vm.vcpus} CPU`],
    ['hypervisor', `${vm.hypervisor}, ${vm.accel}`],
    ['worker', `${printable(vm.workerName)} (${vm.workerId})`],
    ['since', call.time(vm.startedAtMs)],
    ...usageFacts(vm),
    ['told', call.time(vm.toldAtMs)],
  ];
}

/** Of the host; nothing before it was looked at. */
function usageFacts({ usage }: Vm): readonly (readonly [string, string])[] {
  if (usage === undefined) return [];
  const { rssKiB, rssPeakKiB, pssKiB, cpuMs, readBytes, writtenBytes } = usage;
  const own = `without what is shared ${memoryText(pssKiB)}`;
  const memory = `${memoryText(rssKiB)}, highest ${memoryText(rssPeakKiB)}, ${own}`;
  return [
    ['host memory', memory],
    ['host CPU', formatDurationMs(cpuMs)],
    [
      'disk',
      readBytes === null ? '-' : `read ${formatBytes(readBytes)}, written ${formatBytes(writtenBytes ?? 0)}`,
    ],
  ];
}
