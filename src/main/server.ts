/** `blixard server`: a control node alone. */
import { letYoungGenerationGrow } from '../platform/young-generation.ts';
import type { Config } from './config-keys.ts';
import { startControlNode } from './control-node.ts';
import { runUntilInterrupted } from './lifetime.ts';
import { type Machine, nodeDepsOf } from './machine.ts';

/** Resolves with the exit code when the process was told to end and has. */
export async function runServer(machine: Machine, config: Config): Promise<number> {
  const deps = nodeDepsOf(machine, config);
  const control = await startControlNode(deps);
  letYoungGenerationGrow();
  const stop = (): Promise<void> => control.stop();
  const untilTold = new Promise<void>(() => undefined);
  return await runUntilInterrupted(
    { drain: stop, kill: stop, stopped: untilTold },
    { onInterrupt: machine.onInterrupt, onStop: (signal) => deps.log.info({ signal }, 'stopping') },
  );
}
