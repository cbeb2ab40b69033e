/** Makes a worker from infrastructure that somebody else owns and closes. */
import type { BlixardClient } from '../client/client.ts';
import { MicrovmExecutor } from '../executor/microvm-executor.ts';
import { ExecutorRegistry } from '../executor/registry.ts';
import type { Ids } from '../platform/random.ts';
import type { VmService } from '../vm/vm-service.ts';
import { takeIdentity } from './identity.ts';
import type { ImageList } from './image-teller.ts';
import type { CallerDeps } from './until-answered.ts';
import { WarmDoor } from './warm-door.ts';
import { Worker, type WorkerConfig, type WorkerDeps } from './worker.ts';
import type { WorkerFactory } from './worker-factory.ts';

/** The infrastructure given, and what is said of the worker. */
export interface SharedWorkerFactoryDeps extends CallerDeps, Pick<WorkerDeps, 'onEnd'> {
  readonly client: BlixardClient;
  readonly vms: VmService;
  readonly images: ImageList;
  readonly ids: Ids;
  /** Holds `worker.json` and the socket for `blixard image warm`. */
  readonly dataDir: string;
  readonly config: WorkerConfig;
  /** SIGTERM to the kill of a command's VM; default 5 s. */
  readonly stopGraceMs?: number;
}

/** The production factory of a process that has client, VMs and images already. */
export class SharedWorkerFactory implements WorkerFactory {
  readonly #deps: SharedWorkerFactoryDeps;

  constructor(deps: SharedWorkerFactoryDeps) {
    this.#deps = deps;
  }

  async create(): Promise<Worker> {
    const identity = await takeIdentity(this.#deps);
    const executors = new ExecutorRegistry([new MicrovmExecutor(this.#deps)]);
    const warms = await WarmDoor.open(this.#deps);
    const onEnd = async (): Promise<void> => {
      await warms.close();
      await this.#deps.onEnd?.();
    };
    return new Worker({ ...this.#deps, identity, executors, onEnd });
  }
}
