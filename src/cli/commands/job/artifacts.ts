/** blixard job artifacts: lists what a job left, prints one of it, or saves it. */
import type { Command } from 'commander';
import type { Artifact, BlixardClient } from '../../../client/index.ts';
import { BlixardError } from '../../../domain/errors.ts';
import { formatBytes } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { jobArgument, readJobId } from '../../job-id.ts';
import { printable } from '../../output/style.ts';
import { type Column, renderTable } from '../../output/table.ts';
import { readInteger } from '../../parse.ts';
import { placeOf, saveArtifact } from '../../save-artifact.ts';

interface Options {
  readonly attempt?: string;
  readonly to?: string;
}

/** Of one attempt. */
interface Found {
  readonly jobId: string;
  readonly attempt: number;
  readonly artifacts: readonly Artifact[];
}

export function addJobArtifacts(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'artifacts',
    summary: 'list the artifacts of a job, print one, or save them',
    flags: 'client',
    printsData: true,
    examples: [
      'blixard job artifacts 0197f2c4',
      'blixard job artifacts 0197f2c4 report.html > report.html',
      'blixard job artifacts 0197f2c4 --to out/',
    ],
    setUp: (command) =>
      command
        .argument(...jobArgument)
        .argument('[name]', 'only this one; printed on standard output unless --to is given')
        .option('--to <path>', 'save to this folder, or with a name to this file')
        .option('--attempt <n>', 'of this attempt (default: the newest)'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const id = readJobId(call.args[0]);
  const { to } = call.options;
  await withClient(call, async (client) => {
    const found = await find(call, client, id);
    if (to !== undefined) await save(call, client, found, to);
    else if (call.args[1] !== undefined) await printOne(call, client, found);
    else await list(call, found);
  });
}

async function find(call: Call<Options>, client: BlixardClient, id: string): Promise<Found> {
  const name = call.args[1];
  const { attempt: text } = call.options;
  const query = text === undefined ? {} : { attempt: readInteger('--attempt', text) };
  const { jobId, attempt, ended, artifacts } = await client.call('listArtifacts', { params: { id }, query });
  if (!ended) await say(call.context, `job ${jobId} has not ended; its artifacts are there when it has`);
  const wanted = artifacts.filter((artifact) => name === undefined || artifact.name === name);
  if (name !== undefined && wanted.length === 0) {
    throw new BlixardError('ARTIFACT_NOT_FOUND', { jobId, name, attempt });
  }
  return { jobId, attempt, artifacts: wanted };
}

async function list(call: Call, { artifacts }: Found): Promise<void> {
  if (call.json) return await printJson(call, { artifacts });
  await print(call, renderTable(artifacts, columns, call.paint, call.context.terminal.columns));
}

async function printOne(
  call: Call,
  client: BlixardClient,
  { jobId, attempt, artifacts }: Found,
): Promise<void> {
  for (const { name } of artifacts) {
    for await (const piece of client.downloadArtifact(jobId, name, { attempt })) {
      await call.context.terminal.write('stdout', piece);
    }
  }
}

async function save(call: Call, client: BlixardClient, found: Found, to: string): Promise<void> {
  const { jobId, attempt } = found;
  for (const artifact of found.artifacts) {
    const file = await placeOf(artifact.name, to, call.args[1] !== undefined);
    await saveArtifact(client.downloadArtifact(jobId, artifact.name, { attempt }), artifact, file);
    await print(call, `${printable(file)}\n`);
  }
}

const columns: readonly Column<Artifact>[] = [
  { head: 'NAME', flexible: true, cell: ({ name }) => printable(name) },
  { head: 'SIZE', align: 'right', cell: ({ size }) => formatBytes(size) },
  { head: 'SHA-256', optional: true, cell: ({ sha256 }) => sha256 },
];
