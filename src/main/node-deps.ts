/** What every process of Blixard is made from. */
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Ids, Random } from '../platform/random.ts';
import type { Config } from './config-keys.ts';

/** Configuration and ports of one process. */
export interface NodeDeps {
  readonly config: Config;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly log: Log;
}
