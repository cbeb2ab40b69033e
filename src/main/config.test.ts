import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ConfigInputs, loadConfig } from './config.ts';
import { type ConfigName, configKeys, configNames, envNameOf } from './config-keys.ts';

const surroundings = { homeDir: '/home/user', hostName: 'box', cores: 4, memoryMiB: 8_192 };
let cwd = '';
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'blixard-config-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

const load = (inputs: Partial<ConfigInputs> = {}) =>
  loadConfig({ flags: {}, env: {}, cwd, surroundings, ...inputs });
const writeToml = (text: string, file = 'blixard.toml'): void => writeFileSync(join(cwd, file), text);

/** A valid text for every key that differs from its default, and the value it stands for. */
const samples: { readonly [K in ConfigName]: readonly [text: string, value: unknown] } = {
  server: ['https://control.example:8443', 'https://control.example:8443'],
  dataDir: ['/srv/data', '/srv/data'],
  imagesDir: ['/srv/images', '/srv/images'],
  host: ['0.0.0.0', '0.0.0.0'],
  port: ['8080', 8_080],
  logLevel: ['debug', 'debug'],
  leaseMs: ['30s', 30_000],
  heartbeatMs: ['1500ms', 1_500],
  logKeepMiB: ['1g', 1_024],
  retainEventsMs: ['2h', 7_200_000],
  webhookTargets: ['any', 'any'],
  workerName: ['left', 'left'],
  slots: ['7', 7],
  queues: ['ci,nightly', ['ci', 'nightly']],
  accel: ['tcg', 'tcg'],
  qemu: ['/opt/qemu', '/opt/qemu'],
  sandbox: ['required', 'required'],
  vmsMax: ['9', 9],
  cpusMax: ['5', 5],
  templates: ['off', 'off'],
  templatesMaxMiB: ['1g', 1_024],
  poolMin: ['3', 3],
  poolTarget: ['7', 7],
  poolMax: ['9', 9],
  poolMemoryMiB: ['512m', 512],
  poolCoolDownMs: ['30s', 30_000],
  serviceMin: ['1', 1],
  serviceTarget: ['2', 2],
  serviceMax: ['5', 5],
  serviceIdleMs: ['1m', 60_000],
  serviceJobsMax: ['7', 7],
  serviceUptimeMaxMs: ['2h', 7_200_000],
  serviceMemoryPercentMax: ['80', 80],
  bootTimeoutMs: ['1m', 60_000],
  pingEveryMs: ['2s', 2_000],
  pingTimeoutMs: ['500ms', 500],
  stopGraceMs: ['0', 0],
  drainGraceMs: ['2m', 120_000],
};

describe('the configuration', () => {
  it('has defaults that follow home, host and cores', async () => {
    const { values, sources } = await load();
    expect(values).toMatchObject({
      server: 'http://127.0.0.1:3020',
      dataDir: '/home/user/.local/share/blixard',
      imagesDir: '/home/user/.local/share/blixard/images',
      workerName: 'box',
      slots: 4,
      vmsMax: 24,
      cpusMax: 4,
      poolMax: 16,
      poolMemoryMiB: 2_048,
    });
    expect(new Set(Object.values(sources))).toEqual(new Set(['default']));
  });

  it.each(configNames)('%s has the form of a flag, a variable and a line of the file', async (name) => {
    const [text, value] = samples[name];
    const key = configKeys[name].name;
    const byFlag = await load({ flags: { [key]: text } });
    const byEnv = await load({ env: { [envNameOf(key)]: text } });
    writeToml(`${key} = ${JSON.stringify(text)}\n`);
    const byFile = await load();
    expect([byFlag, byEnv, byFile].map(({ values }) => values[name])).toEqual([value, value, value]);
    expect([byFlag, byEnv, byFile].map(({ sources }) => sources[name])).toEqual([
      `--${key}`,
      envNameOf(key),
      join(cwd, 'blixard.toml'),
    ]);
  });

  it.each(configNames)('%s is read by the program', (name) => {
    const main = fileURLToPath(new URL('.', import.meta.url));
    const found = execFileSync('grep', ['-rlw', name, main, '--include=*.ts'], { encoding: 'utf8' });
    const readers = found
      .split('\n')
      .filter((file) => file !== '' && !/\/config(-keys|-value|\.test)?\.ts$/.test(file));
    expect(readers).not.toEqual([]);
  });

  it('takes a flag before the environment before the file', async () => {
    writeToml('port = 1\nslots = 1\nhost = "a"\n');
    const env = { BLIXARD_PORT: '2', BLIXARD_SLOTS: '2' };
    const { values } = await load({ flags: { port: '3' }, env });
    expect(values).toMatchObject({ port: 3, slots: 2, host: 'a' });
  });

  it('puts the images into the data directory in force', async () => {
    expect((await load({ flags: { 'data-dir': 'here' } })).values.imagesDir).toBe(
      join(cwd, 'here', 'images'),
    );
  });

  it('takes lists, numbers and paths of the file as TOML writes them', async () => {
    writeToml('queues = ["ci", "nightly"]\nlease = 20\ndata-dir = "data"\n');
    const { values } = await load();
    expect(values).toMatchObject({ queues: ['ci', 'nightly'], leaseMs: 20_000, dataDir: join(cwd, 'data') });
  });

  it('reads the file that --config or BLIXARD_CONFIG names, and no other', async () => {
    writeToml('port = 1\n');
    writeToml('port = 2\n', 'other.toml');
    expect((await load({ flags: { config: 'other.toml' } })).values.port).toBe(2);
    expect((await load({ env: { BLIXARD_CONFIG: 'other.toml' } })).values.port).toBe(2);
  });

  it('leaves the variables of the tests alone and takes an empty variable for none', async () => {
    const { sources } = await load({ env: { BLIXARD_TEST_LONG: '1', BLIXARD_PORT: '', HOME: '/x' } });
    expect(sources.port).toBe('default');
  });
});

describe('a wrong configuration is refused with key, value, source and what is allowed', () => {
  const refused = async (inputs: Partial<ConfigInputs>) => {
    const error = await load(inputs).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    return error instanceof Error ? error.message : '';
  };

  it.each([
    [{ flags: { port: '70000' } }, 'port = 70000 (from --port): it must be a whole number from 0 to 65535'],
    [{ flags: { port: '-1' } }, 'port = -1 (from --port)'],
    [
      { env: { BLIXARD_ACCEL: 'fast' } },
      'accel = fast (from BLIXARD_ACCEL): it must be one of auto, kvm, tcg',
    ],
    [{ env: { BLIXARD_LEASE: '1ms' } }, 'lease = 1ms (from BLIXARD_LEASE): it must be a duration such as'],
    [
      { flags: { heartbeat: '10s' } },
      'lease = 15000ms (from default): it must be at least twice the heartbeat',
    ],
    [{ env: { BLIXARD_SERVER: 'localhost' } }, 'it must be a URL such as http://127.0.0.1:3020'],
    [{ env: { BLIXARD_QUEUES: 'a,,b' } }, 'queues = a,,b'],
    [
      { env: { BLIXARD_PROT: '1' } },
      'BLIXARD_PROT = 1 (from environment): there is no such key; did you mean BLIXARD_PORT?',
    ],
    [{ env: { BLIXARD_XYZZY: '1' } }, 'there is no such key; there are: BLIXARD_SERVER, BLIXARD_DATA_DIR'],
    [{ flags: { config: 'absent.toml' } }, 'config = absent.toml (from --config): there is no such file'],
  ])('%j', async (inputs: Partial<ConfigInputs>, message) => {
    expect(await refused(inputs)).toContain(message);
  });

  it.each([
    ['data_dir = "x"', 'data_dir = x (from FILE): there is no such key; did you mean data-dir?'],
    ['slots = "many"', 'slots = many (from FILE): it must be a whole number from 1 to 1000'],
    ['[server]\nport = 1', 'server = {"port":1} (from FILE)'],
    ['port = = 1', 'it is not valid TOML'],
  ])('in the file: %s', async (toml, message) => {
    writeToml(toml);
    expect(await refused({})).toContain(message.replace('FILE', join(cwd, 'blixard.toml')));
  });
});
