/** What a configuration key is. */
import type { ValueKind } from './config-value.ts';

/** What a default may depend on. */
export interface Surroundings {
  readonly homeDir: string;
  readonly hostName: string;
  readonly cores: number;
  readonly memoryMiB: number;
}

/** Values in force that the defaults of others follow. */
export interface Leading {
  readonly dataDir: string;
  readonly slots: number;
  readonly poolMax: number;
}

/** The commands that read a key and so have its flag. */
type Reader = 'client' | 'up' | 'server' | 'worker' | 'image' | 'warm' | 'doctor' | 'verify';

/** One key: its name, what is allowed, and its value where nobody said otherwise. */
export interface ConfigKey<V> {
  /** In blixard.toml `name`, as a flag `--name`, in the environment `BLIXARD_NAME`. */
  readonly name: string;
  readonly kind: ValueKind<V>;
  readonly about: string;
  /** `client`: every command that talks to a server. */
  readonly readers: readonly Reader[];
  fallback(surroundings: Surroundings & Leading): V;
}

/** The entry itself, its value type found out. */
export function key<V>(entry: ConfigKey<V>): ConfigKey<V> {
  return entry;
}
