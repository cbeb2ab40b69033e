/** What the wiring takes from the process it runs in, so that a test can give something else. */
import type { CliContext } from '../cli/context.ts';
import { makeLog } from '../platform/log.ts';
import type { Ids, Random } from '../platform/random.ts';
import type { Config } from './config-keys.ts';
import type { NodeDeps } from './node-deps.ts';

/** Streams, signals, time and randomness of one process. */
export interface Machine extends Pick<CliContext, 'clock' | 'env' | 'onInterrupt' | 'terminal' | 'version'> {
  readonly random: Random;
  readonly ids: Ids;
  /** The working directory. */
  readonly cwd: string;
}

/** What a process of this configuration is made from here. */
export function nodeDepsOf(machine: Machine, config: Config): NodeDeps {
  const { version, env, clock, random, ids, terminal } = machine;
  const log = makeLog(config.logLevel, terminal.isTty('stderr') ? 'lines' : 'json');
  return { config, version, env, clock, random, ids, log };
}
