/** Configuration keys of service VMs, which serve jobs of one queue and tenant one after another. */
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import { key } from './config-key.ts';
import { durationMs, integer } from './config-value.ts';

const second = 1_000;
const hour = 3_600 * second;

/** In the order `blixard config` prints them. */
export const serviceKeys = {
  serviceMin: key({
    name: 'service-min',
    kind: integer(0, limits.servicesMax),
    about: 'service VMs kept of each queue and tenant that has had one, although no job comes',
    readers: ['up', 'worker'],
    fallback: () => 0 as number,
  }),
  serviceTarget: key({
    name: 'service-target',
    kind: integer(0, limits.servicesMax),
    about: 'idle service VMs kept ready beside the busy ones of a queue and tenant in demand',
    readers: ['up', 'worker'],
    fallback: () => 0 as number,
  }),
  serviceMax: key({
    name: 'service-max',
    kind: integer(0, limits.servicesMax),
    about: 'service VMs of all queues and tenants; 0: jobs with isolation shared have a VM of their own',
    readers: ['up', 'worker'],
    fallback: ({ slots }) => slots,
  }),
  serviceIdleMs: key({
    name: 'service-idle',
    kind: durationMs(second, 24 * hour),
    about: 'how long a service VM waits for the next job',
    readers: ['up', 'worker'],
    fallback: () => defaults.serviceIdleMs as number,
  }),
  serviceJobsMax: key({
    name: 'service-jobs-max',
    kind: integer(1, limits.serviceJobsMax),
    about: 'jobs of one service VM',
    readers: ['up', 'worker'],
    fallback: () => defaults.serviceJobsMax as number,
  }),
  serviceUptimeMaxMs: key({
    name: 'service-uptime-max',
    kind: durationMs(second, 24 * hour),
    about: 'how long one service VM takes jobs',
    readers: ['up', 'worker'],
    fallback: () => defaults.serviceUptimeMaxMs as number,
  }),
  serviceMemoryPercentMax: key({
    name: 'service-memory-max',
    kind: integer(10, 100),
    about: 'of the memory granted to a service VM, what it may have taken after a job, in percent',
    readers: ['up', 'worker'],
    fallback: () => defaults.serviceMemoryPercentMax as number,
  }),
};
