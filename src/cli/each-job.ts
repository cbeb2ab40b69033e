/** Does the same with each of several jobs, queues or schedules: one that is refused keeps no other from it. */
import { BlixardError } from '../domain/errors.ts';
import { type Call, say } from './command.ts';
import { readJobId } from './job-id.ts';
import { printable } from './output/style.ts';

/**
 * Does it in the order given, before that rejects with USAGE for a text no id starts with. Refusals of the server are
 * told; rejects with the last of them, and at once with any other error.
 */
export async function eachJob(call: Call, act: (id: string) => Promise<void>): Promise<void> {
  await eachOf(call, call.args.map(readJobId), act);
}

/** As `eachJob`, with each of these names. */
export async function eachOf(
  call: Call,
  names: readonly string[],
  act: (name: string) => Promise<void>,
): Promise<void> {
  let refused: BlixardError | undefined;
  for (const name of names) {
    try {
      await act(name);
    } catch (error) {
      if (!(error instanceof BlixardError) || error.entry.fault !== 'caller') throw error;
      if (refused !== undefined) await say(call.context, printable(refused.message));
      refused = error;
    }
  }
  if (refused !== undefined) throw refused;
}
