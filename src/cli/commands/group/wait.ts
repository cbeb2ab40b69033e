/** blixard group wait: waits until all jobs of a group have ended. */
import type { Command } from 'commander';
import type { BlixardClient } from '../../../client/index.ts';
import type { Group } from '../../../contract/together.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import type { Interrupt } from '../../context.ts';
import { interruptCodes } from '../../exit-code.ts';
import { countsText, groupArgument } from './group-text.ts';

export function addGroupWait(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'wait',
    summary: 'wait until all jobs of a group have ended; exit 0 when all of them completed, else 1',
    flags: 'client',
    printsData: true,
    examples: ['blixard group wait nightly && echo done'],
    setUp: (command) => command.argument(...groupArgument),
    run,
  });
}

async function run(call: Call): Promise<number> {
  const name = call.args[0] ?? '';
  const waited = await withClient(call, (client) => waitOrLeave(call, client, name));
  if (typeof waited === 'string') {
    await say(call.context, `left group ${name}; its jobs go on`);
    return interruptCodes[waited];
  }
  await (call.json ? printJson(call, waited) : print(call, `${name}  ${countsText(waited)}\n`));
  return Object.keys(waited.counts).every((state) => state === 'completed') ? 0 : 1;
}

/** The finished group, or the interrupt that ended the wait. */
async function waitOrLeave(call: Call, client: BlixardClient, name: string): Promise<Group | Interrupt> {
  const leave = new AbortController();
  let interrupt: Interrupt | undefined;
  const stopListening = call.context.onInterrupt((signal) => {
    interrupt ??= signal;
    leave.abort();
  });
  try {
    return await client.waitGroup(name, { signal: leave.signal });
  } catch (error) {
    if (interrupt === undefined) throw error;
    return interrupt;
  } finally {
    stopListening();
  }
}
