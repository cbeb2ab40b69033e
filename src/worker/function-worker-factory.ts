/** Makes a worker that runs functions of its own process: no VMs, no images, no disk. */
import type { BlixardClient } from '../client/client.ts';
import { FunctionExecutor, type FunctionExecutorDeps } from '../executor/function-executor.ts';
import { ExecutorRegistry } from '../executor/registry.ts';
import type { Ids } from '../platform/random.ts';
import { VmService } from '../vm/vm-service.ts';
import type { WorkerIdentity } from './identity.ts';
import type { CallerDeps } from './until-answered.ts';
import { Worker, type WorkerConfig, type WorkerDeps } from './worker.ts';
import type { WorkerFactory } from './worker-factory.ts';

/** The functions, the way to the control node, and what is said of the worker. */
export interface FunctionWorkerFactoryDeps
  extends CallerDeps,
    Pick<FunctionExecutorDeps, 'functions' | 'stopGraceMs'>,
    Pick<WorkerDeps, 'onEnd'> {
  readonly client: BlixardClient;
  readonly ids: Ids;
  readonly config: WorkerConfig;
}

/** Each worker it makes is a new one: what an earlier process held is put back when its lease is over. */
export class FunctionWorkerFactory implements WorkerFactory {
  readonly #deps: FunctionWorkerFactoryDeps;

  constructor(deps: FunctionWorkerFactoryDeps) {
    this.#deps = deps;
  }

  async create(): Promise<Worker> {
    const executors = new ExecutorRegistry([new FunctionExecutor(this.#deps)]);
    const identity: WorkerIdentity = { id: this.#deps.ids(), release: () => Promise.resolve() };
    return new Worker({ ...this.#deps, identity, executors, images: noImages, vms: noVms });
  }
}

const noImages = { list: () => Promise.resolve([]) };
const noVms = VmService.unavailable('functions need none');
