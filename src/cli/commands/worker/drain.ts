/** blixard worker drain: a worker gets no more jobs. */
import type { Command } from 'commander';
import type { BlixardClient } from '../../../client/index.ts';
import { BlixardError } from '../../../domain/errors.ts';
import { isUuidV7 } from '../../../domain/ids.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';

export function addWorkerDrain(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'drain',
    summary: 'give a worker no more jobs; those it runs go on',
    flags: 'client',
    printsData: true,
    examples: ['blixard worker drain build-host-1'],
    setUp: (command) => command.argument('<worker>', 'id of the worker, a unique start of it, or its name'),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  await withClient(call, async (client) => {
    const id = await resolveWorker(client, call.args[0] ?? '');
    const worker = await client.call('drainWorker', { params: { id } });
    await (call.json ? printJson(call, worker) : print(call, `${worker.id}  ${worker.state}\n`));
  });
}

async function resolveWorker(client: BlixardClient, given: string): Promise<string> {
  if (isUuidV7(given)) return given;
  const { workers } = await client.call('listWorkers');
  const matches = workers.filter(({ id, name }) => id.startsWith(given) || name === given);
  const [match] = matches;
  if (match === undefined) throw new BlixardError('WORKER_NOT_FOUND', { workerId: given });
  if (matches.length === 1) return match.id;
  const ids = matches.map(({ id }) => id).join(', ');
  throw new BlixardError('USAGE', { problem: `more than one worker is called ${given}: ${ids}` });
}
