/** The parts of the configuration that make a worker. */
import type { HostVmConfig } from '../worker/host-vms.ts';
import type { WorkerConfig } from '../worker/worker.ts';
import type { Config } from './config-keys.ts';

/** What the worker tells the server of itself. */
export function workerConfigOf({ workerName, slots, queues }: Config, version: string): WorkerConfig {
  return { name: workerName, version, slots, queues };
}

/** How this host runs VMs. */
export function hostVmConfigOf(config: Config): HostVmConfig {
  const { dataDir, accel, qemu: qemuProgram, sandbox, vmsMax, cpusMax, bootTimeoutMs } = config;
  const own = { dataDir, accel, qemuProgram, sandbox, vmsMax, cpusMax, bootTimeoutMs };
  const health = { pingEveryMs: config.pingEveryMs, pingTimeoutMs: config.pingTimeoutMs };
  return { ...own, health, fastStarts: fastStartsOf(config), services: servicesOf(config) };
}

/** What makes VMs start faster than by a boot. */
function fastStartsOf(config: Config): NonNullable<HostVmConfig['fastStarts']> {
  const { templates, templatesMaxMiB, poolMin, poolTarget, poolMax, poolMemoryMiB } = config;
  return {
    templates,
    templateBytesMax: templatesMaxMiB * 1_024 ** 2,
    pool: {
      min: Math.min(poolMin, poolTarget, poolMax),
      target: Math.min(poolTarget, poolMax),
      max: poolMax,
      memoryMiB: poolMemoryMiB,
      coolDownMs: config.poolCoolDownMs,
    },
  };
}

/** How many VMs serve jobs one after another, and how long. */
function servicesOf(config: Config): NonNullable<HostVmConfig['services']> {
  const { serviceMin, serviceTarget, serviceMax } = config;
  return {
    min: Math.min(serviceMin, serviceMax),
    target: Math.min(serviceTarget, serviceMax),
    max: serviceMax,
    coolDownMs: config.serviceIdleMs,
    jobsMax: config.serviceJobsMax,
    uptimeMaxMs: config.serviceUptimeMaxMs,
    memoryPercentMax: config.serviceMemoryPercentMax,
  };
}
