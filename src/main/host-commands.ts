/** What main wires for the CLI; each part is loaded when its command is called, so that the others start fast. */
import type { ConfigFlag, ConfigLine, FlagGroup, Flags, HostCommands } from '../cli/context.ts';
import type { BlixardClient } from '../client/index.ts';
import { formatDurationMs } from '../domain/units.ts';
import { armFailpoint, failpointEnv } from '../platform/failpoint.ts';
import { holdYoungGeneration } from '../platform/young-generation.ts';
import { type LoadedConfig, loadConfig } from './config.ts';
import { type Config, type ConfigName, configKeys, configNames } from './config-keys.ts';
import { type Machine, nodeDepsOf } from './machine.ts';

/** The commands of this machine. */
export function hostCommands(machine: Machine): HostCommands {
  const valuesOf = async (flags: Flags): Promise<Config> => (await load(machine, flags)).values;
  const nodeConfigOf = async (flags: Flags): Promise<Config> => {
    const { requireDataDir } = await import('./data-dir.ts');
    const loaded = await load(machine, flags);
    await requireDataDir(loaded);
    armFailpoint(machine.env[failpointEnv]);
    return loaded.values;
  };
  return {
    async up(flags) {
      holdYoungGeneration();
      const { runUp } = await import('./up.ts');
      return await runUp(machine, await nodeConfigOf(flags));
    },
    async server(flags) {
      holdYoungGeneration();
      const { runServer } = await import('./server.ts');
      return await runServer(machine, await nodeConfigOf(flags));
    },
    async worker(flags) {
      const { runWorker } = await import('./worker.ts');
      return await runWorker(machine, await nodeConfigOf(flags));
    },
    async doctor(flags) {
      const { runDoctor } = await import('./doctor/doctor.ts');
      const { env, clock } = machine;
      return await runDoctor({ config: await valuesOf(flags), env, clock });
    },
    async verify(flags, files) {
      const { verifyDataDir } = await import('./verify/verify-data-dir.ts');
      const { dataDir } = await valuesOf(flags);
      return await verifyDataDir({ dataDir, clock: machine.clock, ...files });
    },
    config: async (flags) => linesOf(await load(machine, flags)),
    async listImages(flags, onDamaged) {
      const { listImages } = await import('./images.ts');
      return await listImages((await valuesOf(flags)).imagesDir, onDamaged);
    },
    async getImage(flags, name) {
      const { getImage } = await import('./images.ts');
      return await getImage((await valuesOf(flags)).imagesDir, name);
    },
    async removeImages(flags, names, step) {
      const { removeImages } = await import('./images.ts');
      const { imagesDir: dir } = await valuesOf(flags);
      return await removeImages({ dir, clock: machine.clock, step }, names);
    },
    async collectImageGarbage(flags, packageBytes, step) {
      const { collectGarbageOf } = await import('./images.ts');
      const { imagesDir: dir } = await valuesOf(flags);
      return await collectGarbageOf({ dir, clock: machine.clock, step }, packageBytes);
    },
    async buildImage(flags, wish, step) {
      const { buildImageOf } = await import('./images.ts');
      const { imagesDir: dir } = await valuesOf(flags);
      return await buildImageOf({ dir, clock: machine.clock, step }, wish);
    },
    async warmImage(flags, name, wish, step) {
      const { warmImage } = await import('./warm-image.ts');
      return await warmImage({ ...nodeDepsOf(machine, await nodeConfigOf(flags)), step }, name, wish);
    },
  };
}

/** A client of the control node that the configuration names. */
export async function connect(machine: Machine, flags: Flags): Promise<BlixardClient> {
  const { values } = await load(machine, flags);
  const { BlixardClient, httpTransport } = await import('../client/index.ts');
  return new BlixardClient({ transport: httpTransport({ url: values.server }), clock: machine.clock });
}

/** The configuration flags of a group of commands, `--config` first. */
export function configFlags(group: FlagGroup): readonly ConfigFlag[] {
  const file = {
    name: 'config',
    placeholder: '<file>',
    about: 'configuration file instead of ./blixard.toml',
  };
  const keys = configNames.map((name) => configKeys[name]);
  const chosen = keys.filter(({ readers }) => group === 'all' || readers.includes(group));
  return [file, ...chosen.map(({ name, kind, about }) => ({ name, placeholder: kind.placeholder, about }))];
}

function load({ env, cwd }: Machine, flags: Flags): Promise<LoadedConfig> {
  return loadConfig({ flags, env, cwd });
}

function linesOf({ values, sources }: LoadedConfig): readonly ConfigLine[] {
  return configNames.map((name) => ({
    key: configKeys[name].name,
    value: valueText(name, values[name]),
    source: sources[name],
    about: configKeys[name].about,
  }));
}

/** The value as it would be written in a flag. */
function valueText(name: ConfigName, value: Config[ConfigName]): string {
  if (typeof value === 'number' && name.endsWith('Ms')) return formatDurationMs(value);
  return typeof value === 'number' && name.endsWith('MiB') ? `${value}m` : String(value);
}
