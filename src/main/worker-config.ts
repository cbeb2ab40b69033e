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
  const { dataDir, accel, qemu: qemuProgram, sandbox, vmsMax, bootTimeoutMs } = config;
  const health = { pingEveryMs: config.pingEveryMs, pingTimeoutMs: config.pingTimeoutMs };
  return {
    dataDir,
    accel,
    qemuProgram,
    sandbox,
    vmsMax,
    bootTimeoutMs,
    fastStarts: fastStartsOf(config),
    health,
  };
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
