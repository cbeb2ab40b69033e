/** Configuration keys of templates and pool: what makes VMs start faster than by a boot. */
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import { key } from './config-key.ts';
import { choice, durationMs, integer, sizeMiB } from './config-value.ts';

const second = 1_000;
const hour = 3_600 * second;

/** In the order `blixard config` prints them. */
export const fastStartKeys = {
  templates: key({
    name: 'templates',
    kind: choice('<on|off>', ['on', 'off']),
    about: 'whether VMs are started from saved ones, where QEMU can; off boots every VM and keeps no pool',
    readers: ['up', 'worker', 'warm', 'doctor'],
    fallback: () => 'on' as const,
  }),
  templatesMaxMiB: key({
    name: 'templates-max',
    kind: sizeMiB(1, 1_024 * 1_024),
    about: 'room on disk for templates; the least recently used goes first',
    readers: ['up', 'worker', 'warm', 'doctor'],
    fallback: () => defaults.templateBytes / 1_024 ** 2,
  }),
  poolMin: key({
    name: 'pool-min',
    kind: integer(0, limits.poolMax),
    about: 'VMs of the base image kept ready although nobody asks for one',
    readers: ['up', 'worker'],
    fallback: () => 1 as number,
  }),
  poolTarget: key({
    name: 'pool-target',
    kind: integer(0, limits.poolMax),
    about: 'VMs kept ready of each image that is in demand; 0 keeps no pool',
    readers: ['up', 'worker', 'doctor'],
    fallback: ({ slots }) => slots,
  }),
  poolMax: key({
    name: 'pool-max',
    kind: integer(0, limits.poolMax),
    about: 'VMs kept ready of all images together',
    readers: ['up', 'worker', 'doctor'],
    fallback: ({ slots }) => Math.min(4 * slots, limits.poolMax),
  }),
  poolMemoryMiB: key({
    name: 'pool-memory',
    kind: sizeMiB(0, 1_024 * 1_024),
    about:
      'memory for VMs kept ready, counted as if they used all they may; a quarter of the host by default',
    readers: ['up', 'worker', 'doctor'],
    fallback: ({ memoryMiB }) => Math.floor(memoryMiB / 4),
  }),
  poolCoolDownMs: key({
    name: 'pool-cool-down',
    kind: durationMs(second, 24 * hour),
    about: 'how long an image stays in demand after its last job',
    readers: ['up', 'worker'],
    fallback: () => defaults.poolCoolDownMs as number,
  }),
};
