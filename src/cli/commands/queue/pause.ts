/** blixard queue pause and resume: hold the jobs of queues back, and let them go on. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { eachOf } from '../../each-job.ts';

export function addQueuePause(parent: Command, home: CommandHome): void {
  addSwitch(parent, home, 'pause', 'start no more jobs of these queues; those that run go on');
}

export function addQueueResume(parent: Command, home: CommandHome): void {
  addSwitch(parent, home, 'resume', 'let paused queues go on');
}

function addSwitch(parent: Command, home: CommandHome, verb: 'pause' | 'resume', summary: string): void {
  addCommand(parent, home, {
    usage: verb,
    summary,
    examples: [`blixard queue ${verb} builds`, `blixard queue ${verb} builds nightly`],
    flags: 'client',
    printsData: true,
    setUp: (command) => command.argument('<queue...>', 'names of the queues'),
    run: (call) => run(call, verb),
  });
}

async function run(call: Call, verb: 'pause' | 'resume'): Promise<undefined> {
  await withClient(call, async (client) => {
    await eachOf(call, call.args, async (name) => {
      const queue = await client.call(`${verb}Queue`, { params: { name } });
      const state = queue.paused ? 'paused' : 'open';
      await (call.json ? printJson(call, queue) : print(call, `${name}  ${state}\n`));
      if (queue.isNew === true) {
        await say(
          call.context,
          `queue ${name} did not exist; it was made, ${state} (blixard queue rm ${name})`,
        );
      }
    });
  });
}
