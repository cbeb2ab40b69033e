/** `blixard up`: control node and worker in one process; the worker calls the application without a socket. */
import { BlixardClient } from '../client/client.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { type Image, ImageStore } from '../image/image-store.ts';
import { wellImages } from '../image/well-images.ts';
import { letYoungGenerationGrow } from '../platform/young-generation.ts';
import type { VmService } from '../vm/vm-service.ts';
import { openHostVms } from '../worker/host-vms.ts';
import { SharedWorkerFactory } from '../worker/shared-worker-factory.ts';
import type { Worker } from '../worker/worker.ts';
import { printBanner } from './banner.ts';
import type { Config } from './config-keys.ts';
import { type ControlNode, startControlNode } from './control-node.ts';
import { type Running, runUntilInterrupted, sayDraining } from './lifetime.ts';
import { type Machine, nodeDepsOf } from './machine.ts';
import type { NodeDeps } from './node-deps.ts';
import { Teardown } from './teardown.ts';
import { hostVmConfigOf, workerConfigOf } from './worker-config.ts';

/** A running control node with its worker. */
export interface UpNode extends Running {
  readonly url: string;
  readonly vms: VmService;
  readonly images: readonly Image[];
  readonly storeStats: ControlNode['storeStats'];
}

/** Resolves with the exit code when the process was told to end and has. */
export async function runUp(machine: Machine, config: Config): Promise<number> {
  const deps = nodeDepsOf(machine, config);
  const node = await startUp(deps);
  letYoungGenerationGrow();
  const onStop = sayDraining(deps.log, config.drainGraceMs);
  const ended = runUntilInterrupted(node, { onInterrupt: machine.onInterrupt, onStop });
  // It serves with or without its banner.
  printBanner(machine, { ...node, config }).catch((error: unknown) => {
    deps.log.warn({ err: error }, 'the banner could not be printed');
  });
  return await ended;
}

/** Rejects as `startControlNode` does, and with WORKER_LOCKED; then nothing of it is left running. */
export async function startUp(deps: NodeDeps): Promise<UpNode> {
  const { config } = deps;
  const teardown = new Teardown();
  return await teardown.guard(async () => {
    const control = await startControlNode(deps);
    teardown.add(() => control.stop());
    const images = new ImageStore({ dir: config.imagesDir });
    const vms = await openHostVms({ ...deps, config: hostVmConfigOf(config), images });
    teardown.add(() => vms.close());
    const client = new BlixardClient({ transport: appTransport(control.app), clock: deps.clock });
    const worker = await createWorker(deps, { client, vms, images });
    teardown.add(() => worker.kill());
    await worker.start();
    return {
      url: control.url,
      vms,
      images: await wellImages({ ...deps, images }),
      storeStats: control.storeStats,
      stopped: worker.stopped,
      drain: async () => {
        await worker.drain(config.drainGraceMs);
        await teardown.run();
      },
      kill: () => teardown.run(),
    };
  });
}

function createWorker(
  deps: NodeDeps,
  shared: { readonly client: BlixardClient; readonly vms: VmService; readonly images: ImageStore },
): Promise<Worker> {
  const { config, version } = deps;
  const { dataDir, stopGraceMs } = config;
  const factory = new SharedWorkerFactory({
    ...deps,
    ...shared,
    dataDir,
    stopGraceMs,
    config: workerConfigOf(config, version),
  });
  return factory.create();
}
