/** blixard job get: one job with its attempts. */
import type { Command } from 'commander';
import type { Attempt, Job } from '../../../contract/job.ts';
import { isEnded, jobMachine } from '../../../domain/job.ts';
import { formatBytes, formatDurationMs } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { jobArgument, readJobId } from '../../job-id.ts';
import { endOf } from '../../output/job-end.ts';
import { colourOfState, printable } from '../../output/style.ts';
import { type Column, renderFacts, renderTable } from '../../output/table.ts';

export function addJobGet(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'get',
    summary: 'show one job: what it is, what became of it, and why it waits',
    flags: 'client',
    printsData: true,
    examples: ['blixard job get 0197f2c4', 'blixard job get -o json 0197f2c4'],
    setUp: (command) => command.argument(...jobArgument),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const id = readJobId(call.args[0]);
  await withClient(call, async (client) => {
    const job = await client.call('getJob', { params: { id } });
    if (call.json) return await printJson(call, job);
    const { attempts } = await client.call('listAttempts', { params: { id: job.id } });
    await print(call, renderFacts(factsOf(call, job), call.paint));
    if (attempts.length === 0) return;
    await print(
      call,
      `\n${renderTable(attempts, attemptColumns, call.paint, call.context.terminal.columns)}`,
    );
  });
}

function factsOf(call: Call, job: Job): readonly (readonly [string, string | undefined])[] {
  const { spec } = job;
  const backedOff = job.state === 'scheduled' ? call.time(job.runAtMs) : undefined;
  return [
    ['id', job.id],
    ['state', call.paint(colourOfState(job.state), job.state)],
    ['waits', textOr(job.waiting)],
    ['due', backedOff],
    ['end', job.reason === null ? undefined : endOf(job)],
    ['message', textOr(job.message)],
    ['cancelled', textOr(job.cancelReason)],
    ['command', printable(spec.command.join(' '))],
    ['image', spec.image],
    ['resources', `${spec.memoryMiB} MiB, ${spec.vcpus} CPU, timeout ${formatDurationMs(spec.timeoutMs)}`],
    ['queue', spec.queue],
    ...optionsOf(call, job),
    ['attempts', `${job.attemptsUsed} of ${spec.attemptsMax} used${infraText(job)}`],
    ['created', call.time(job.createdAtMs)],
    ['started', job.startedAtMs === null ? undefined : call.time(job.startedAtMs)],
    ['ended', job.endedAtMs === null ? undefined : call.time(job.endedAtMs)],
    ...nextSteps(job).map((step, index) => [index === 0 ? 'next' : '', step] as const),
  ];
}

/** What a user may do with the job as it is. */
function nextSteps({ id, state, attempt }: Job): readonly string[] {
  const output = attempt === 0 ? [] : [`blixard job logs ${isEnded(state) ? '' : '-f '}${id}`];
  if (!isEnded(state)) return [...output, `blixard job cancel ${id}`];
  return jobMachine.can(state, 'pending') ? [...output, `blixard job retry ${id}`] : output;
}

/** What was asked beyond the defaults. */
function optionsOf(
  call: Call,
  { spec, expiresAtMs }: Job,
): readonly (readonly [string, string | undefined])[] {
  const labels = Object.entries(spec.labels ?? {}).map(([name, value]) => printable(`${name}=${value}`));
  return [
    ['priority', spec.priority === undefined ? undefined : String(spec.priority)],
    ['expires', expiresAtMs === null ? undefined : call.time(expiresAtMs)],
    ['unique', spec.unique === undefined ? undefined : printable(spec.unique.key)],
    ['tenant', spec.tenant],
    ['labels', labels.length === 0 ? undefined : labels.join(', ')],
  ];
}

function textOr(text: string | null): string | undefined {
  return text === null ? undefined : printable(text);
}

function infraText({ infraFailures }: Job): string {
  return infraFailures === 0 ? '' : `, ${infraFailures} more failed through no fault of the job`;
}

const attemptColumns: readonly Column<Attempt>[] = [
  { head: 'ATTEMPT', align: 'right', cell: ({ attempt }) => String(attempt) },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'END', cell: endOf },
  { head: 'VM', optional: true, cell: ({ vm }) => (vm === null ? '-' : `${vm.hypervisor}/${vm.accel}`) },
  { head: 'START', cell: ({ vm }) => (vm === null ? '-' : `${vm.start} ${formatDurationMs(vm.bootMs)}`) },
  { head: 'WHY', optional: true, cell: ({ vm }) => printable(vm?.startReason ?? '') },
  {
    head: 'WALL',
    align: 'right',
    cell: ({ usage }) => (usage === null ? '-' : formatDurationMs(usage.wallMs)),
  },
  {
    head: 'MEMORY',
    align: 'right',
    cell: ({ usage }) => (usage === null ? '-' : formatBytes(usage.memoryPeakKiB * 1_024)),
  },
  { head: 'OUTPUT', align: 'right', optional: true, cell: ({ logBytes }) => formatBytes(logBytes) },
  { head: 'MESSAGE', flexible: true, cell: ({ message }) => message ?? '' },
];
