/** Every configuration key, once: its names in flags, environment and file all come from this object. */
import { join } from 'node:path';
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import { key } from './config-key.ts';
import { choice, durationMs, integer, names, path, sizeMiB, text } from './config-value.ts';
import { fastStartKeys } from './fast-start-keys.ts';
import { serviceKeys } from './service-keys.ts';

const second = 1_000;
const minute = 60 * second;

/** All keys, in the order `blixard config` prints them. */
export const configKeys = {
  server: key({
    name: 'server',
    kind: text('<url>', /^https?:\/\/\S+$/, 'a URL such as http://127.0.0.1:3020'),
    about: 'control node to talk to',
    readers: ['client', 'worker', 'doctor'],
    fallback: () => `http://127.0.0.1:${defaults.port}`,
  }),
  dataDir: key({
    name: 'data-dir',
    kind: path('<dir>'),
    about: 'where store, logs and VM run files are kept',
    readers: ['up', 'server', 'worker', 'image', 'warm', 'doctor', 'verify'],
    fallback: ({ homeDir }) => join(homeDir, '.local', 'share', 'blixard'),
  }),
  imagesDir: key({
    name: 'images-dir',
    kind: path('<dir>'),
    about: 'where images are kept',
    readers: ['up', 'worker', 'image', 'warm', 'doctor'],
    fallback: ({ dataDir }) => join(dataDir, 'images'),
  }),
  host: key({
    name: 'host',
    kind: text('<address>', /^[\w.:-]+$/, 'an IP address or a host name'),
    about: 'address the control node listens on',
    readers: ['up', 'server'],
    fallback: () => '127.0.0.1',
  }),
  port: key({
    name: 'port',
    kind: integer(0, 65_535),
    about: 'port the control node listens on; 0 takes a free one',
    readers: ['up', 'server'],
    fallback: () => defaults.port as number,
  }),
  logLevel: key({
    name: 'log-level',
    kind: choice('<level>', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    about: 'least important log line that is written: debug, info, warn, error, …, or silent',
    readers: ['up', 'server', 'worker'],
    fallback: () => 'info' as const,
  }),
  leaseMs: key({
    name: 'lease',
    kind: durationMs(second, 10 * minute),
    about: 'how long a silent worker keeps its jobs',
    readers: ['up', 'server'],
    fallback: () => defaults.leaseMs as number,
  }),
  heartbeatMs: key({
    name: 'heartbeat',
    kind: durationMs(100, 5 * minute),
    about: 'how often a worker says that it lives',
    readers: ['up', 'server'],
    fallback: () => defaults.heartbeatMs as number,
  }),
  logKeepMiB: key({
    name: 'log-keep',
    kind: sizeMiB(1, 65_536),
    about: 'output kept per attempt, half from its start and half from its end',
    readers: ['up', 'server'],
    fallback: () => defaults.logBytes / 1_024 ** 2,
  }),
  retainEventsMs: key({
    name: 'retain-events',
    kind: durationMs(limits.retainEventsMsMin, limits.retentionMsMax),
    about: 'how long events are kept; who follows from an older one goes on with the oldest kept',
    readers: ['up', 'server'],
    fallback: () => defaults.retainEventsMs as number,
  }),
  webhookTargets: key({
    name: 'webhook-targets',
    kind: choice('<where>', ['auto', 'public', 'private', 'any']),
    about:
      'where webhooks may go: public addresses, private ones and this machine too, any (cloud metadata too); ' +
      'auto is private where only this machine can reach the server, else public',
    readers: ['up', 'server'],
    fallback: () => 'auto' as const,
  }),
  workerName: key({
    name: 'worker-name',
    kind: text('<name>', new RegExp(`^.{1,${limits.nameLength}}$`), `1 to ${limits.nameLength} characters`),
    about: 'what the worker is called in lists',
    readers: ['up', 'worker'],
    fallback: ({ hostName }) => hostName.slice(0, limits.nameLength),
  }),
  slots: key({
    name: 'slots',
    kind: integer(1, limits.slotsMax),
    about: 'jobs the worker runs at once',
    readers: ['up', 'worker'],
    fallback: ({ cores }) => Math.min(cores, limits.slotsMax),
  }),
  queues: key({
    name: 'queues',
    kind: names(/^[a-z0-9][a-z0-9._-]{0,63}$/),
    about: 'queues the worker takes jobs from',
    readers: ['up', 'worker'],
    fallback: () => [defaults.queue] as readonly string[],
  }),
  accel: key({
    name: 'accel',
    kind: choice('<how>', ['auto', 'kvm', 'tcg']),
    about: 'how VMs are run: kvm, tcg (software emulation), or auto to find out',
    readers: ['up', 'worker', 'warm', 'doctor'],
    fallback: () => 'auto' as const,
  }),
  qemu: key({
    name: 'qemu',
    kind: text('<program>', /^\S.*$/, 'a program'),
    about: 'the QEMU program',
    readers: ['up', 'worker', 'warm', 'doctor'],
    fallback: () => 'qemu-system-x86_64',
  }),
  sandbox: key({
    name: 'sandbox',
    kind: choice('<how>', ['auto', 'required', 'off']),
    about:
      'whether each QEMU is locked in by bubblewrap: auto where that works, required (else no VMs), or off',
    readers: ['up', 'worker', 'warm', 'doctor'],
    fallback: () => 'auto' as const,
  }),
  vmsMax: key({
    name: 'vms-max',
    kind: integer(1, 2 * limits.slotsMax),
    about: 'VMs at once; by default twice the slots, since one may end while the next starts, and the pool',
    readers: ['up', 'worker', 'doctor'],
    fallback: ({ slots, poolMax }) => Math.min(2 * slots + poolMax, 2 * limits.slotsMax),
  }),
  cpusMax: key({
    name: 'vms-cpus-max',
    kind: integer(1, limits.slotsMax * limits.vcpusMax),
    about: 'virtual CPUs of all VMs that run a job; by default the cores, or one for each slot',
    readers: ['up', 'worker', 'doctor'],
    fallback: ({ cores, slots }) => Math.max(cores, slots),
  }),
  ...fastStartKeys,
  ...serviceKeys,
  bootTimeoutMs: key({
    name: 'boot-timeout',
    kind: durationMs(second, 10 * minute),
    about: 'how long a VM may take to start',
    readers: ['up', 'worker', 'warm'],
    fallback: () => defaults.bootTimeoutMs as number,
  }),
  pingEveryMs: key({
    name: 'ping-every',
    kind: durationMs(100, 10 * minute),
    about: 'how often a VM that runs a job is asked whether it lives',
    readers: ['up', 'worker'],
    fallback: () => defaults.pingEveryMs as number,
  }),
  pingTimeoutMs: key({
    name: 'ping-timeout',
    kind: durationMs(100, 10 * minute),
    about: 'how long its answer may take; three missed in a row end the VM',
    readers: ['up', 'worker'],
    fallback: () => defaults.pingTimeoutMs as number,
  }),
  stopGraceMs: key({
    name: 'stop-grace',
    kind: durationMs(0, 10 * minute),
    about: 'time between SIGTERM and the end of a cancelled job’s VM',
    readers: ['up', 'worker'],
    fallback: () => defaults.stopGraceMs as number,
  }),
  drainGraceMs: key({
    name: 'drain-grace',
    kind: durationMs(0, 60 * minute),
    about: 'how long running jobs may go on after the worker was told to stop',
    readers: ['up', 'worker'],
    fallback: () => defaults.drainGraceMs as number,
  }),
};

/** A key by its name in the code; durations end in `Ms`, sizes in `MiB`. */
export type ConfigName = keyof typeof configKeys;
/** The value of every key. */
export type Config = { readonly [K in ConfigName]: ReturnType<(typeof configKeys)[K]['fallback']> };

/** The keys in their order. */
export const configNames = Object.keys(configKeys) as ConfigName[];

/** The environment variable of a key: `data-dir` → `BLIXARD_DATA_DIR`. */
export function envNameOf(name: string): string {
  return `BLIXARD_${name.toUpperCase().replaceAll('-', '_')}`;
}
