/** blixard queue rm: removes the settings of queues that are not in use. */
import type { Command } from 'commander';
import type { Queue } from '../../../contract/queue.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { eachOf } from '../../each-job.ts';

export function addQueueRm(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'rm',
    summary: 'remove the settings of queues without jobs that are still to end; ended jobs stay listed',
    flags: 'client',
    printsData: true,
    examples: ['blixard queue rm builds', 'blixard queue purge builds && blixard queue rm builds'],
    setUp: (command) => command.argument('<queue...>', 'names of the queues'),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  await withClient(call, async (client) => {
    await eachOf(call, call.args, async (name) => {
      const queue = await client.call('deleteQueue', { params: { name } });
      const isRemoved = queue.updatedAtMs !== null;
      if (call.json) await printJson(call, queue);
      else if (isRemoved) await print(call, `${name}  removed\n`);
      const why = whyListed(queue);
      const first = isRemoved ? `queue ${name}` : `queue ${name} has no settings; it`;
      if (why !== undefined) await say(call.context, `${first} ${why}`);
    });
  });
}

/** Undefined: nothing is left of it. */
function whyListed({ name, counts }: Queue): string | undefined {
  const jobs = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (jobs === 0) return undefined;
  const until = `until ${jobs === 1 ? 'its ended job is' : `its ${jobs} ended jobs are`} forgotten`;
  return `stays listed ${until}: blixard queue purge ${name}`;
}
