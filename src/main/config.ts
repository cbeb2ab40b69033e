/** The configuration in force: flag > environment > blixard.toml > default, each value with its source. */
import { availableParallelism, homedir, hostname, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { BlixardError, problemOf } from '../domain/errors.ts';
import { nearest } from '../domain/nearest.ts';
import { failpointEnv } from '../platform/failpoint.ts';
import { readTextIfThere } from '../platform/files.ts';
import type { ConfigKey, Leading, Surroundings } from './config-key.ts';
import { type Config, type ConfigName, configKeys, configNames, envNameOf } from './config-keys.ts';

/** Where a value came from, for example `--port`, `BLIXARD_PORT`, a file name, or `default`. */
export type ConfigSources = { readonly [K in ConfigName]: string };

/** Every value in force and its source. */
export interface LoadedConfig {
  readonly values: Config;
  readonly sources: ConfigSources;
}

/** What the configuration is made from. */
export interface ConfigInputs {
  /** Flags by name without dashes; `config` names the file. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly surroundings?: Surroundings;
}

interface Found {
  readonly text: string;
  readonly source: string;
  readonly baseDir: string;
}

const fileName = 'blixard.toml';
const fileFlag = 'config';
const envPrefix = envNameOf('');
/** Names a test run uses for itself. */
const testPrefix = envNameOf('test-');

/** Rejects with CONFIG_INVALID naming key, value, source and what is allowed. */
export async function loadConfig(inputs: ConfigInputs): Promise<LoadedConfig> {
  refuseUnknownEnv(inputs.env);
  const file = await readFile(inputs);
  const host = inputs.surroundings ?? surroundingsOfThisHost();
  const find = (name: string): Found | undefined =>
    findFlag(inputs, name) ?? findEnv(inputs, name) ?? file.get(name);
  const basis = { ...host, ...leadingValues(find, host) };
  const values: [string, unknown][] = [];
  const sources: [string, string][] = [];
  for (const name of configNames) {
    const key: ConfigKey<unknown> = configKeys[name];
    const found = find(key.name);
    values.push([name, effectiveValue(key, found, basis)]);
    sources.push([name, found?.source ?? 'default']);
  }
  const loaded = {
    values: Object.fromEntries(values) as Config,
    sources: Object.fromEntries(sources) as ConfigSources,
  };
  refuseShortLease(loaded);
  return loaded;
}

/** One lost heartbeat must not cost a worker its jobs. */
function refuseShortLease({ values: { leaseMs, heartbeatMs }, sources }: LoadedConfig): void {
  if (leaseMs >= 2 * heartbeatMs) return;
  const problem = `it must be at least twice the heartbeat, which is ${heartbeatMs}ms (from ${sources.heartbeatMs})`;
  throw invalid(configKeys.leaseMs.name, `${leaseMs}ms`, sources.leaseMs, problem);
}

function surroundingsOfThisHost(): Surroundings {
  const memoryMiB = Math.floor(totalmem() / 1_024 ** 2);
  return { homeDir: homedir(), hostName: hostname(), cores: availableParallelism(), memoryMiB };
}

/** Their own defaults follow the surroundings, and one another in this order. */
function leadingValues(find: (name: string) => Found | undefined, host: Surroundings): Leading {
  const basis = { ...host, dataDir: '', slots: 0, poolMax: 0 };
  const { dataDir, slots, poolMax } = configKeys;
  const slotsInForce = effectiveValue(slots, find(slots.name), basis);
  return {
    dataDir: effectiveValue(dataDir, find(dataDir.name), basis),
    slots: slotsInForce,
    poolMax: effectiveValue(poolMax, find(poolMax.name), { ...basis, slots: slotsInForce }),
  };
}

function effectiveValue<V>(key: ConfigKey<V>, found: Found | undefined, basis: Surroundings & Leading): V {
  if (found === undefined) return key.fallback(basis);
  const value = key.kind.parse(found.text, found.baseDir);
  if (value !== undefined) return value;
  throw invalid(key.name, found.text, found.source, `it must be ${key.kind.allowed}`);
}

function findFlag({ flags, cwd }: ConfigInputs, name: string): Found | undefined {
  const text = flags[name];
  return text === undefined ? undefined : { text, source: `--${name}`, baseDir: cwd };
}

/** An empty variable counts as one that is not set, as shells and unit files often leave them. */
function findEnv({ env, cwd }: ConfigInputs, name: string): Found | undefined {
  const source = envNameOf(name);
  const text = env[source];
  return text === undefined || text === '' ? undefined : { text, source, baseDir: cwd };
}

function refuseUnknownEnv(env: ConfigInputs['env']): void {
  const known = [...configNames.map((name) => envNameOf(configKeys[name].name)), envNameOf(fileFlag)];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(envPrefix) || name.startsWith(testPrefix)) continue;
    if (name === failpointEnv || known.includes(name)) continue;
    throw invalid(name, value ?? '', 'environment', unknownKey(name, known, envPrefix));
  }
}

async function readFile(inputs: ConfigInputs): Promise<ReadonlyMap<string, Found>> {
  const named = findFlag(inputs, fileFlag) ?? findEnv(inputs, fileFlag);
  const file = named === undefined ? join(inputs.cwd, fileName) : resolve(inputs.cwd, named.text);
  const contents = await readTextIfThere(file);
  if (contents !== undefined) return entriesOf(await parseToml(file, contents), file);
  if (named === undefined) return new Map();
  throw invalid(fileFlag, named.text, named.source, 'there is no such file');
}

async function parseToml(file: string, contents: string): Promise<Record<string, unknown>> {
  const { parse } = await import('smol-toml');
  try {
    return parse(contents);
  } catch (error) {
    const problem = `it is not valid TOML: ${problemOf(error).split('\n')[0]}`;
    throw new BlixardError(
      'CONFIG_INVALID',
      { key: fileFlag, value: file, source: file, problem },
      { cause: error },
    );
  }
}

function entriesOf(table: Record<string, unknown>, file: string): ReadonlyMap<string, Found> {
  const known = configNames.map((name) => configKeys[name].name);
  const entries = new Map<string, Found>();
  for (const [name, value] of Object.entries(table)) {
    const text = textOf(value);
    if (!known.includes(name)) throw invalid(name, text, file, unknownKey(name, known));
    entries.set(name, { text, source: file, baseDir: dirname(file) });
  }
  return entries;
}

/** File values go through the same parser as flags: a list becomes `a,b`. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function unknownKey(name: string, known: readonly string[], prefix = ''): string {
  const rest = (one: string): string => one.slice(prefix.length);
  const meant = nearest(rest(name), known.map(rest));
  if (meant !== undefined) return `there is no such key; did you mean ${prefix}${meant}?`;
  return `there is no such key; there are: ${known.join(', ')}`;
}

function invalid(key: string, value: string, source: string, problem: string): BlixardError {
  return new BlixardError('CONFIG_INVALID', { key, value, source, problem });
}
