/** The parts of the configuration that make a worker. */
import type { HostVmConfig } from '../worker/host-vms.ts';
import type { WorkerConfig } from '../worker/worker.ts';
import type { Config } from './config-keys.ts';

/** What the worker tells the server of itself. */
export function workerConfigOf({ workerName, slots, queues }: Config, version: string): WorkerConfig {
  return { name: workerName, version, slots, queues };
}

/** How this host runs VMs. */
export function hostVmConfigOf({ dataDir, accel, qemu, vmsMax, bootTimeoutMs }: Config): HostVmConfig {
  return { dataDir, accel, qemuProgram: qemu, vmsMax, bootTimeoutMs };
}
