/** blixard job get: one job with its attempts. */
import type { Command } from 'commander';
import type { BlixardClient } from '../../../client/index.ts';
import type { Attempt, Job, JobPage } from '../../../contract/job.ts';
import { defaults } from '../../../domain/defaults.ts';
import { isBlixardError } from '../../../domain/errors.ts';
import { isEnded, jobMachine } from '../../../domain/job.ts';
import { formatBytes, formatDurationMs } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { jobArgument, readJobId } from '../../job-id.ts';
import { commandText } from '../../output/command-text.ts';
import { endOf } from '../../output/job-end.ts';
import { colourOfState, printable } from '../../output/style.ts';
import { type Column, renderFacts, renderTable } from '../../output/table.ts';
import { progressText } from '../../progress.ts';

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
    const children = await client.call('listChildren', {
      params: { id: job.id },
      query: { limit: childrenShown },
    });
    const left = await whatItLeft(client, job);
    await print(call, renderFacts([...factsOf(call, job, children), ...left, ...nextFacts(job)], call.paint));
    if (attempts.length === 0) return;
    await print(
      call,
      `\n${renderTable(attempts, attemptColumns, call.paint, call.context.terminal.columns)}`,
    );
  });
}

/** Children named of a job that has more. */
const childrenShown = 10;

function factsOf(
  call: Call,
  job: Job,
  children: JobPage,
): readonly (readonly [string, string | undefined])[] {
  const { spec } = job;
  const backedOff = job.state === 'scheduled' ? call.time(job.runAtMs) : undefined;
  return [
    ['id', job.id],
    ['state', call.paint(colourOfState(job.state), job.state)],
    ['waits', textOr(job.waiting)],
    ['due', backedOff],
    ['end', job.reason === null ? undefined : endOf(job)],
    ['message', textOr(job.message)],
    ['progress', progressText(job.progress)],
    ['cancelled', cancelText(job)],
    ['command', commandText(spec.command)],
    ['image', spec.image],
    ['resources', `${job.memoryMiB} MiB, ${spec.vcpus} CPU, timeout ${formatDurationMs(spec.timeoutMs)}`],
    ['isolation', spec.isolation ?? defaults.isolation],
    ['queue', spec.queue],
    ...optionsOf(call, job),
    ...familyOf(job, children),
    ['attempts', `${job.attemptsUsed} of ${spec.attemptsMax} used${ruledText(job)}${infraText(job)}`],
    ['created', call.time(job.createdAtMs)],
    ['started', job.startedAtMs === null ? undefined : call.time(job.startedAtMs)],
    ['ended', job.endedAtMs === null ? undefined : call.time(job.endedAtMs)],
  ];
}

type Fact = readonly [string, string | undefined];

/** Longest result that is shown whole, in characters. */
const resultShown = 200;

/** Result and artifacts of a job that has ended. */
async function whatItLeft(client: BlixardClient, job: Job): Promise<Fact[]> {
  if (!isEnded(job.state) || job.attempt === 0) return [];
  const params = { id: job.id };
  const { artifacts } = await client.call('listArtifacts', { params });
  const bytes = artifacts.reduce((sum, { size }) => sum + size, 0);
  const files = `${artifacts.length}, ${formatBytes(bytes)}: blixard job artifacts ${job.id}`;
  return [
    ['result', await resultText(client, job.id)],
    ['artifacts', artifacts.length === 0 ? undefined : files],
  ];
}

async function resultText(client: BlixardClient, id: string): Promise<string | undefined> {
  try {
    const result = (await client.readResult(id)).trim();
    if (result.length <= resultShown) return printable(result);
    return `${formatBytes(Buffer.byteLength(result))}: blixard job result ${id}`;
  } catch (error) {
    if (isBlixardError(error, 'RESULT_NOT_FOUND')) return undefined;
    throw error;
  }
}

function nextFacts(job: Job): Fact[] {
  return nextSteps(job).map((step, index) => [index === 0 ? 'next' : '', step]);
}

/** What a user may do with the job as it is. */
function nextSteps({ id, state, attempt }: Job): readonly string[] {
  const output = attempt === 0 ? [] : [`blixard job logs ${isEnded(state) ? '' : '-f '}${id}`];
  if (!isEnded(state)) return [...output, `blixard job cancel ${id}`];
  return jobMachine.can(state, 'pending') ? [...output, `blixard job retry ${id}`] : output;
}

/** What it ran on, and what that was locked in with. */
function vmText({ hypervisor, accel, sandbox = 'none' }: NonNullable<Attempt['vm']>): string {
  return [hypervisor, accel, ...(sandbox === 'none' ? [] : [sandbox])].join('/');
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
    ['key', spec.concurrencyKey === undefined ? undefined : printable(spec.concurrencyKey)],
    ['unique', spec.unique === undefined ? undefined : printable(spec.unique.key)],
    ['tenant', spec.tenant],
    ['group', spec.group],
    ['labels', labels.length === 0 ? undefined : labels.join(', ')],
    ['inputs', spec.inputs?.join(', ')],
  ];
}

function familyOf({ spec }: Job, { jobs, nextCursor }: JobPage): readonly (readonly [string, string])[] {
  const { after = [], afterFailed } = spec;
  const children = jobs.map(({ id, state }) => `${id} (${state})`);
  if (nextCursor !== null) children.push('…');
  return [
    ...after.map((id, index) => [index === 0 ? 'runs after' : '', id] as const),
    ...(afterFailed === undefined ? [] : [['if failed', afterFailed] as const]),
    ...children.map((text, index) => [index === 0 ? 'before' : '', text] as const),
  ];
}

function textOr(text: string | null): string | undefined {
  return text === null ? undefined : printable(text);
}

function cancelText({ cancelledBy, cancelReason }: Job): string | undefined {
  const parts = [
    ...(cancelledBy === null ? [] : [`by ${cancelledBy}`]),
    ...(cancelReason === null ? [] : [cancelReason]),
  ];
  return parts.length === 0 ? undefined : printable(parts.join(': '));
}

/** Attempts that are counted by themselves. */
function ruledText({ attemptsUsedByReason, spec: { retry = {} } }: Job): string {
  return Object.entries(retry)
    .filter(([, rule]) => rule.attemptsMax !== undefined)
    .map(
      ([reason, { attemptsMax }]) => `, ${attemptsUsedByReason[reason] ?? 0} of ${attemptsMax} by ${reason}`,
    )
    .join('');
}

function infraText({ infraFailures }: Job): string {
  return infraFailures === 0 ? '' : `, ${infraFailures} more failed through no fault of the job`;
}

function startOf({ vm }: Attempt): string {
  if (vm === null) return '-';
  return `${vm.start} ${formatDurationMs(vm.bootMs)}${vm.zygote === true ? ', zygote' : ''}`;
}

const attemptColumns: readonly Column<Attempt>[] = [
  { head: 'ATTEMPT', align: 'right', cell: ({ attempt }) => String(attempt) },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'END', cell: endOf },
  { head: 'VM', optional: true, cell: ({ vm }) => (vm === null ? '-' : vmText(vm)) },
  { head: 'START', cell: startOf },
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
