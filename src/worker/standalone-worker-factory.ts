/** Makes a worker that owns all it needs: connection, images and VMs, built from a plain config. */
import { BlixardClient } from '../client/client.ts';
import { socketTransport } from '../client/socket-transport.ts';
import { ImageStore } from '../image/image-store.ts';
import { makeIds } from '../platform/random.ts';
import { type HostVmConfig, openHostVms } from './host-vms.ts';
import { SharedWorkerFactory } from './shared-worker-factory.ts';
import type { CallerDeps } from './until-answered.ts';
import type { Worker, WorkerConfig } from './worker.ts';
import type { WorkerFactory } from './worker-factory.ts';

/** All that has to be said of a worker on a host of its own. */
export interface StandaloneConfig extends WorkerConfig, HostVmConfig {
  /** Of the control node, for example http://127.0.0.1:3020. */
  readonly serverUrl: string;
  readonly imagesDir: string;
  /** SIGTERM to the kill of a command's VM; default 5 s. */
  readonly stopGraceMs?: number;
}

/** The config, and the ports of the process. */
export interface StandaloneWorkerFactoryDeps extends CallerDeps {
  readonly config: StandaloneConfig;
  /** Read for SKIP_VM_MANAGER. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Builds client, images and VMs, and closes them when the worker has ended. */
export class StandaloneWorkerFactory implements WorkerFactory {
  readonly #deps: StandaloneWorkerFactoryDeps;

  constructor(deps: StandaloneWorkerFactoryDeps) {
    this.#deps = deps;
  }

  async create(): Promise<Worker> {
    const { config, clock, random, log, env } = this.#deps;
    const ids = makeIds(clock, random);
    const images = new ImageStore({ dir: config.imagesDir });
    const vms = await openHostVms({ config, images, env, clock, random, ids, log });
    const client = new BlixardClient({ transport: socketTransport({ url: config.serverUrl }), clock });
    const close = async (): Promise<void> => {
      await vms.close();
      await client.close();
    };
    const { dataDir } = config;
    const shared = { client, vms, images, clock, random, log, ids, dataDir, config, onEnd: close };
    const grace = config.stopGraceMs === undefined ? {} : { stopGraceMs: config.stopGraceMs };
    try {
      return await new SharedWorkerFactory({ ...shared, ...grace }).create();
    } catch (error) {
      await close();
      throw error;
    }
  }
}
