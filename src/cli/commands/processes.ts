/** blixard up, server, worker: the processes that stay. */
import type { Command } from 'commander';
import { nearest } from '../../domain/nearest.ts';
import { addCommand, type CommandHome } from '../command.ts';

export function addUp(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'up',
    summary: 'run control node and worker in this one process',
    flags: 'up',
    examples: ['blixard up', 'blixard up --port 8080 --data-dir ./data --slots 4'],
    run: ({ context, flags }) => context.host.up(flags),
  });
}

export function addServer(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'server',
    summary: 'run a control node: store, scheduler, HTTP API',
    flags: 'server',
    examples: ['blixard server --host 0.0.0.0'],
    run: ({ context, flags }) => context.host.server(flags),
  });
}

/** The command `worker`; the verbs about workers are added to it. */
export function addWorker(parent: Command, home: CommandHome): Command {
  const worker: Command = addCommand(parent, home, {
    usage: 'worker',
    summary: 'run a worker on this host, or look at workers with the commands below',
    flags: 'worker',
    examples: ['blixard worker --server http://10.0.0.5:3020 --slots 4', 'blixard worker ls'],
    setUp: (command) => command.allowExcessArguments(),
    async run({ context, flags, args }) {
      refuseUnknownVerb(worker, args[0]);
      return await context.host.worker(flags);
    },
  });
  return worker;
}

/** commander does this for commands that only hold others. */
function refuseUnknownVerb(command: Command, verb: string | undefined): void {
  if (verb === undefined) return;
  const meant = nearest(
    verb,
    command.commands.map((one) => one.name()),
  );
  const guess = meant === undefined ? '' : `\n(Did you mean ${meant}?)`;
  command.error(`error: unknown command '${verb}'${guess}`);
}
